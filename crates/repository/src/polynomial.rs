//! Irreducible polynomials over GF(2), which stock clients use to cut files into chunks.

use rand::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The degree of every chunker polynomial.
const DEGREE: u32 = 53;

/// A polynomial over GF(2): bit `i` is the coefficient of `x^i`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Polynomial(pub u64);

impl Polynomial {
    /// A random irreducible polynomial of degree 53.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        loop {
            let bits = rng.next_u64() & ((1 << DEGREE) - 1);
            let candidate = Self(bits | 1 << DEGREE | 1);
            if candidate.is_irreducible() {
                return candidate;
            }
        }
    }

    /// The degree; `None` for the zero polynomial.
    pub fn degree(self) -> Option<u32> {
        63_u32.checked_sub(self.0.leading_zeros())
    }

    /// Whether no product of two smaller polynomials yields this one (test of Ben-Or).
    pub fn is_irreducible(self) -> bool {
        let Some(degree) = self.degree().filter(|degree| *degree > 0) else { return false };
        let mut power = 2; // x
        for _ in 0..degree / 2 {
            power = multiply_modulo(power, power, self.0);
            if gcd(self.0, power ^ 2) != 1 {
                return false;
            }
        }
        true
    }
}

impl Serialize for Polynomial {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Polynomial {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map(Self).map_err(serde::de::Error::custom)
    }
}

fn remainder(mut value: u128, modulus: u64) -> u64 {
    let width = 64 - modulus.leading_zeros();
    if width == 0 {
        return 0;
    }
    loop {
        let excess = 128 - value.leading_zeros();
        if excess < width {
            return value as u64;
        }
        value ^= u128::from(modulus) << (excess - width);
    }
}

fn multiply_modulo(a: u64, b: u64, modulus: u64) -> u64 {
    let product = (0..64).filter(|bit| b >> bit & 1 == 1).fold(0, |sum, bit| sum ^ u128::from(a) << bit);
    remainder(product, modulus)
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, remainder(u128::from(a), b));
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_polynomials_are_classified_as_by_hand() {
        let irreducible: Vec<u64> = (0..32).filter(|bits| Polynomial(*bits).is_irreducible()).collect();

        // x, x+1, x²+x+1, x³+x+1, x³+x²+1, x⁴+x+1, x⁴+x³+1, x⁴+x³+x²+x+1
        assert_eq!(irreducible, [2, 3, 7, 11, 13, 19, 25, 31]);
    }

    /// The value is from the configuration of a repository that stock restic created.
    #[test]
    fn a_polynomial_of_stock_restic_is_irreducible_and_its_neighbours_are_not() {
        assert!(Polynomial(0x25b468838dcb75).is_irreducible());
        assert!(!Polynomial(0x25b468838dcb74).is_irreducible());
        assert!(!Polynomial(0x25b468838dcb77).is_irreducible());
    }

    #[test]
    fn a_random_polynomial_has_degree_53() {
        let polynomial = Polynomial::random(&mut rand::rng());

        assert_eq!(polynomial.degree(), Some(53));
        assert_eq!(
            serde_json::from_str::<Polynomial>(&serde_json::to_string(&polynomial).unwrap()).unwrap(),
            polynomial
        );
    }
}
