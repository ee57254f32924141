//! Lists, numbers, truth values and words of a request body.

use super::{Fields, kind};
use crate::{ArmError, words::Word};
use serde_json::Value;

/// Objects in a list for which nothing else is said.
const MOST_OBJECTS: usize = 1_000;
/// Texts in one.
const MOST_TEXTS: usize = 10_000;

impl<'a> Fields<'a> {
    /// A truth value.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, ArmError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(self.wrong(name, format!("is {}; true or false is needed", kind(other)))),
        }
    }

    /// A whole number; `14.0` is one.
    pub fn whole(&self, name: &str) -> Result<Option<i64>, ArmError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let Value::Number(number) = value else {
            return Err(self.wrong(name, format!("is {}; a number is needed", kind(value))));
        };
        // Within 2^53 every whole number is a float and back again.
        let exact = |float: f64| float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0;
        let float = number.as_f64().filter(|float| exact(*float));
        #[allow(clippy::cast_possible_truncation, reason = "it was just found to fit")]
        let whole = number.as_i64().or(float.map(|float| float as i64));
        whole.map(Some).ok_or_else(|| self.wrong(name, format!("is {number}; a whole number is needed")))
    }

    /// A list of objects.
    pub fn items(&self, name: &str) -> Result<Option<Vec<Self>>, ArmError> {
        self.items_within(name, MOST_OBJECTS)
    }

    /// A list of so many objects at most; of a longer one none is looked at.
    pub fn items_within(&self, name: &str, most: usize) -> Result<Option<Vec<Self>>, ArmError> {
        let Some(list) = self.list(name, most)? else { return Ok(None) };
        let read = |(at, value): (usize, &'a Value)| match value.as_object() {
            Some(object) => Ok(Self { path: self.path_of(&format!("{name}[{at}]")), object }),
            None => {
                Err(self.wrong(&format!("{name}[{at}]"), format!("is {}; an object is needed", kind(value))))
            }
        };
        list.iter().enumerate().map(read).collect::<Result<_, _>>().map(Some)
    }

    /// A list of texts.
    pub fn listed(&self, name: &str) -> Result<Option<Vec<&'a str>>, ArmError> {
        self.listed_within(name, MOST_TEXTS)
    }

    /// A list of so many texts at most; of a longer one none is looked at.
    pub fn listed_within(&self, name: &str, most: usize) -> Result<Option<Vec<&'a str>>, ArmError> {
        let Some(list) = self.list(name, most)? else { return Ok(None) };
        let read = |(at, value): (usize, &'a Value)| {
            let wrong =
                || self.wrong(&format!("{name}[{at}]"), format!("is {}; a text is needed", kind(value)));
            value.as_str().ok_or_else(wrong)
        };
        list.iter().enumerate().map(read).collect::<Result<_, _>>().map(Some)
    }

    /// One of the words that a type stands for, in any case.
    pub fn word<T: Word>(&self, name: &str) -> Result<Option<T>, ArmError> {
        self.text(name)?.map(|text| self.as_word(name, text)).transpose()
    }

    /// A word that must be there.
    pub fn required_word<T: Word>(&self, name: &str) -> Result<T, ArmError> {
        self.as_word(name, self.required_text(name)?)
    }

    /// A list of so many words at most.
    pub fn words_within<T: Word>(&self, name: &str, most: usize) -> Result<Option<Vec<T>>, ArmError> {
        let Some(list) = self.listed_within(name, most)? else { return Ok(None) };
        let read = |(at, text): (usize, &&str)| self.as_word(&format!("{name}[{at}]"), text);
        list.iter().enumerate().map(read).collect::<Result<_, _>>().map(Some)
    }

    /// The names and values in it, as they are: for objects whose names are data.
    pub fn entries(&self) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
        self.object.iter().map(|(name, value)| (name.as_str(), value))
    }

    fn as_word<T: Word>(&self, name: &str, text: &str) -> Result<T, ArmError> {
        T::of(text).ok_or_else(|| {
            let known: Vec<&str> = T::ALL.iter().map(|(_, word)| *word).collect();
            let text: String = text.chars().take(100).collect();
            self.wrong(name, format!("is '{text}'; known are {}", known.join(", ")))
        })
    }

    fn list(&self, name: &str, most: usize) -> Result<Option<&'a [Value]>, ArmError> {
        let list = self.typed(name, "a list", |value| value.as_array().map(Vec::as_slice))?;
        match list.map_or(0, <[Value]>::len) {
            number if number > most => {
                Err(self.wrong(name, format!("has {number} entries; at most {most} are taken")))
            }
            _ => Ok(list),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataprotection::AbsoluteMarker;
    use serde_json::json;

    #[test]
    fn numbers_are_whole_whatever_their_form() {
        let body = json!({"a": 14, "b": 14.0, "c": 14.5, "d": "14", "e": 1e300, "f": null});
        let fields = Fields::of(&body).unwrap();

        assert_eq!((fields.whole("a").unwrap(), fields.whole("b").unwrap()), (Some(14), Some(14)));
        assert_eq!(fields.whole("f").unwrap(), None);
        for wrong in ["c", "d", "e"] {
            assert!(fields.whole(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_in_a_list_is_named_by_its_place() {
        let body =
            json!({"rules": [{"name": "a"}, 5], "markers": ["firstofday", "FirstOfCentury"], "flag": "yes"});
        let fields = Fields::of(&body).unwrap();

        let target = |error: ArmError| error.target.unwrap_or_default();
        assert_eq!(target(fields.items("rules").unwrap_err()), "rules[1]");
        assert_eq!(target(fields.words_within::<AbsoluteMarker>("markers", 10).unwrap_err()), "markers[1]");
        assert_eq!(target(fields.flag("flag").unwrap_err()), "flag");
        assert_eq!(fields.items("absent").unwrap().map(|items| items.len()), None);
    }
}
