//! `--query`: a part of a result, chosen by JMESPath.

use crate::exit::Failure;
use jmespath::{Expression, Variable};
use serde_json::Value;

/// A compiled expression.
pub struct Query(Expression<'static>);

impl Query {
    /// Compiles.
    pub fn new(text: &str) -> Result<Self, Failure> {
        jmespath::compile(text).map(Self).map_err(|error| {
            let said = error.to_string();
            Failure::usage(format!("{text:?} is no JMESPath: {}", said.lines().next().unwrap_or_default()))
                .next("See https://jmespath.org; `-o json` shows what there is to choose from.")
        })
    }

    /// Chooses.
    pub fn choose(&self, value: &Value) -> Result<Value, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::usage(format!("the query does not fit the result: {error}"))
                .next("`-o json` without `--query` shows the result.")
        };
        let data = Variable::try_from(value.clone()).map_err(|error| failed(&error))?;
        let found = self.0.search(data).map_err(|error| failed(&error))?;
        serde_json::to_value(&*found).map_err(|error| failed(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_part_is_chosen_and_nonsense_is_refused() {
        let value = json!([{"name": "a", "n": 1}, {"name": "b", "n": 2}]);

        let chosen = Query::new("[?n > `1`].name").and_then(|query| query.choose(&value)).unwrap();

        assert_eq!(chosen, json!(["b"]));
        assert_eq!(Query::new("[?").err().map(|failure| failure.exit.code()), Some(2));
    }
}
