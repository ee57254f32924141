//! How many objects the next page of a list asks for.

use crate::Budget;

/// The size of the next page; adapts to the size of the objects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageSize {
    limit: u32,
    most: u32,
    bytes: u64,
}

impl PageSize {
    pub(crate) fn new(budget: &Budget) -> Self {
        let most = budget.largest_page.max(1);
        Self { limit: budget.first_page.clamp(1, most), most, bytes: budget.page_bytes.max(1) }
    }

    /// Objects to ask for.
    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// Learns from a page: as many objects as fit the wanted bytes, growing fivefold at most.
    pub(crate) fn saw(&mut self, objects: u64, bytes: u64) {
        if objects == 0 {
            return;
        }
        let average = (bytes / objects).max(1);
        let fitting = u32::try_from(self.bytes / average).unwrap_or(u32::MAX);
        let reachable = self.limit.saturating_mul(5);
        self.limit = fitting.min(reachable).clamp(1, self.most);
    }

    /// Asks for less after a page that did not arrive whole.
    pub(crate) fn shrink(&mut self) {
        self.limit = (self.limit / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_objects_make_pages_grow_to_the_limit() {
        let mut size = PageSize::new(&Budget::default());

        let limits: Vec<u32> = (0..3)
            .map(|_| {
                let limit = size.limit();
                size.saw(u64::from(limit), u64::from(limit) * 2048);
                limit
            })
            .collect();

        assert_eq!(limits, [100, 500, 500]);
    }

    #[test]
    fn secrets_of_one_mebibyte_come_eight_at_a_time() {
        let mut size = PageSize::new(&Budget::default());

        size.saw(100, 100 * 1024 * 1024);

        assert_eq!(size.limit(), 8);
    }

    #[test]
    fn a_page_never_asks_for_nothing() {
        let mut size = PageSize::new(&Budget { first_page: 0, largest_page: 0, ..Budget::default() });

        size.saw(1, u64::MAX);
        size.saw(0, 0);
        size.shrink();

        assert_eq!(size.limit(), 1);
    }
}
