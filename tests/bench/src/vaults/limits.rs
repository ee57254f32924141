//! What the system must allow before so many connections can be made: file descriptors, and ports of source addresses.

use anyhow::{Context, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::Ipv4Addr;

/// Descriptors beside the connections: databases, logs, the clients that measure.
const SPARE: u64 = 1_024;
/// Of the ports of one source address, others may have some.
const SHARE: usize = 3;

/// Lets this process, and those that it starts, have as many descriptors as the system allows, if that is enough.
pub fn raise(connections: usize) -> Result<()> {
    let is = getrlimit(Resource::Nofile);
    let needed = u64::try_from(connections)?.saturating_add(SPARE);
    if let Some(most) = is.maximum.filter(|most| *most < needed) {
        bail!(
            "{connections} agents need {needed} file descriptors in one process, and the hard limit is {most}: raise it \
             (ulimit -Hn {needed}, or LimitNOFILE= of the unit), or measure fewer with BENCH_AGENTS"
        );
    }
    let current = Some(is.maximum.unwrap_or(needed));
    setrlimit(Resource::Nofile, Rlimit { current, maximum: is.maximum })
        .context("could not raise the number of file descriptors")
}

/// The source address of each connection. One address has one port per connection to the vault, so that many connections
/// need several; all of 127.0.0.0/8 is this machine.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub struct Sources {
    each: usize,
}

impl Sources {
    /// As many as this machine's range of ports allows.
    pub fn of_this_machine() -> Result<Self> {
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
        Self::of_range(&range).with_context(|| format!("the range of ports {range:?} cannot be used"))
    }

    fn of_range(range: &str) -> Option<Self> {
        let mut ends = range.split_whitespace().map(|end| end.parse::<usize>().ok());
        let (from, to) = (ends.next()??, ends.next()??);
        let each = to.checked_sub(from)? / (SHARE + 1) * SHARE;
        (each > 0).then_some(Self { each })
    }

    /// That of a connection.
    pub fn of(self, number: usize) -> Result<Ipv4Addr> {
        let host = u8::try_from(number / self.each + 1).ok().filter(|host| *host < 255);
        let host = host.context("more connections than the ports of 127.0.0.1 to 127.0.0.254 allow")?;
        Ok(Ipv4Addr::new(127, 0, 0, host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_take_the_next_source_address_before_the_ports_of_one_run_out() {
        let sources = Sources::of_range("32768\t60999\n").unwrap();

        let addresses = [0, 21_170, 21_171, 100_000].map(|number| sources.of(number).unwrap().octets()[3]);

        assert_eq!(addresses, [1, 1, 2, 5]);
        assert!(sources.of(100_000_000).is_err());
        assert!(Sources::of_range("many").is_none());
    }
}
