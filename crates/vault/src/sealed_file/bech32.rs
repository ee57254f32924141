//! Bech32 (BIP 173): bytes with a checksum, in letters and digits that are not confused.

const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const SUM: usize = 6;

/// Writes bytes behind a word.
pub fn encode(word: &str, bytes: &[u8]) -> String {
    let mut values = regroup(bytes, 8, 5, true).unwrap_or_default();
    let sum = polymod(word, values.iter().copied().chain([0; SUM])) ^ 1;
    values.extend((0..SUM).map(|at| ((sum >> (5 * (SUM - 1 - at))) & 31) as u8));
    let letters =
        values.iter().filter_map(|value| LETTERS.get(usize::from(*value)).map(|byte| char::from(*byte)));
    format!("{word}1{}", letters.collect::<String>())
}

/// Reads what [`encode`] wrote, in small or in capital letters.
pub fn decode(word: &str, text: &str) -> Option<Vec<u8>> {
    let small = text.to_ascii_lowercase();
    if text != small && text != text.to_ascii_uppercase() {
        return None;
    }
    let rest = small.strip_prefix(word)?.strip_prefix('1')?;
    let value =
        |byte: u8| LETTERS.iter().position(|letter| *letter == byte).and_then(|at| u8::try_from(at).ok());
    let values: Vec<u8> = rest.bytes().map(value).collect::<Option<_>>()?;
    if polymod(word, values.iter().copied()) != 1 {
        return None;
    }
    let data = values.get(..values.len().checked_sub(SUM)?)?;
    regroup(data, 5, 8, false)
}

fn polymod(word: &str, values: impl Iterator<Item = u8>) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let high = word.bytes().map(|byte| byte >> 5);
    let low = word.bytes().map(|byte| byte & 31);
    high.chain([0]).chain(low).chain(values).fold(1, |sum: u32, value| {
        let top = sum >> 25;
        let next = ((sum & 0x01ff_ffff) << 5) ^ u32::from(value);
        GENERATOR.iter().enumerate().fold(
            next,
            |next, (at, part)| {
                if (top >> at) & 1 == 1 { next ^ part } else { next }
            },
        )
    })
}

fn regroup(values: &[u8], from: u32, to: u32, pad: bool) -> Option<Vec<u8>> {
    let (mut held, mut bits, mut out) = (0_u32, 0_u32, Vec::new());
    let most = (1_u32 << to) - 1;
    for value in values {
        held = ((held << from) | u32::from(*value)) & 0xffff;
        bits += from;
        while bits >= to {
            bits -= to;
            out.push(((held >> bits) & most) as u8);
        }
    }
    let rest = (held << (to - bits)) & most;
    if pad && bits > 0 {
        out.push(rest as u8);
    } else if !pad && (bits >= from || rest != 0) {
        return None;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_example_is_read_and_written() {
        let text = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";

        let bytes = decode("age", text).unwrap();

        assert_eq!((bytes.len(), encode("age", &bytes)), (32, text.to_owned()));
        assert_eq!(decode("age", &text.to_uppercase()), Some(bytes));
        assert_eq!(decode("age", &text.replace("zvk", "zvq")), None);
        assert_eq!(decode("age", &text.replace("age1z", "age1Z")), None);
        assert_eq!(decode("age", "age1"), None);
    }
}
