//! How answers of the management API are printed.

use super::{Kind, query::Query};
use crate::{
    exit::Failure,
    output::{self, Format},
};
use serde_json::Value;

/// A format and a query.
pub struct View {
    format: Format,
    query: Option<Query>,
}

impl View {
    /// Compiles the query.
    pub fn new(format: Format, query: Option<&str>) -> Result<Self, Failure> {
        Ok(Self { format, query: query.map(Query::new).transpose()? })
    }

    /// Whether somebody reads with a program.
    pub fn is_for_programs(&self) -> bool {
        self.format != Format::Table || self.query.is_some()
    }

    /// Whether the whole result goes to people.
    pub fn is_table(&self) -> bool {
        !self.is_for_programs()
    }

    /// The format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Prints one thing.
    pub fn one(&self, kind: &Kind, value: &Value) -> Result<(), Failure> {
        self.print(value, |value| kind.table(std::slice::from_ref(value)))
    }

    /// Prints a list.
    pub fn many(&self, kind: &Kind, values: &[Value]) -> Result<(), Failure> {
        match self.is_table() {
            true => output::line(&kind.table(values)),
            false => self.print(&Value::Array(values.to_vec()), |_| String::new()),
        }
    }

    /// Prints what has no columns of its own.
    pub fn plain(&self, value: &Value) -> Result<(), Failure> {
        self.print(value, output::generic_table)
    }

    fn print(&self, value: &Value, table: impl FnOnce(&Value) -> String) -> Result<(), Failure> {
        let Some(query) = &self.query else { return output::print(self.format, value, table) };
        output::print(self.format, &query.choose(value)?, output::generic_table)
    }
}
