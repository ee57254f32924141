//! Finds where one JSON value ends, piece by piece.

/// How deep in one JSON value we are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Nest {
    depth: u32,
    text: Text,
    scalar: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Text {
    #[default]
    Outside,
    Inside,
    Escaped,
}

impl Nest {
    /// Walks on through the value. Says how many bytes of `piece` belong to it and whether it is complete.
    /// A number or a word ends before the byte that follows it, which is not counted.
    pub(super) fn walk(&mut self, piece: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while let Some(byte) = piece.get(at).copied() {
            match self.text {
                Text::Escaped => self.text = Text::Inside,
                Text::Inside => {
                    at += plain(piece.get(at..).unwrap_or_default());
                    match piece.get(at) {
                        Some(b'"') => {
                            self.text = Text::Outside;
                            if self.depth == 0 {
                                return (at + 1, true);
                            }
                        }
                        Some(_) => self.text = Text::Escaped,
                        None => return (piece.len(), false),
                    }
                }
                Text::Outside => match byte {
                    b'"' => self.text = Text::Inside,
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' if self.depth > 0 => {
                        self.depth -= 1;
                        if self.depth == 0 {
                            return (at + 1, true);
                        }
                    }
                    b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t' if self.depth == 0 && self.scalar => {
                        return (at, true);
                    }
                    _ => self.scalar |= self.depth == 0,
                },
            }
            at += 1;
        }
        (piece.len(), false)
    }
}

/// How many bytes until a quote or a backslash.
fn plain(text: &[u8]) -> usize {
    text.iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(text.len())
}
