//! The statements that read and fill whole tables.

use super::{Columns, Query, query};
use crate::store::{
    Stores,
    whole::{Cell, Cells, ColumnKind, LEFT_OUT, TABLES, Table},
};

/// The next page of a table.
pub fn page(table: &Table, after: Option<&Cells>) -> Query {
    let names: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let key = names.iter().take(table.key).copied().collect::<Vec<_>>().join(", ");
    let (all, name, most) = (names.join(", "), table.name, table.page);
    let Some(after) = after else {
        return query(format!("SELECT {all} FROM {name} ORDER BY {key} LIMIT {most}"));
    };
    let places: Vec<String> = (1..=table.key).map(|number| format!("?{number}")).collect();
    let sql = format!(
        "SELECT {all} FROM {name} WHERE ({key}) > ({}) ORDER BY {key} LIMIT {most}",
        places.join(", ")
    );
    after
        .iter()
        .take(table.key)
        .zip(table.columns)
        .fold(query(sql), |query, (cell, (_, kind))| bind(query, cell.clone(), *kind))
}

/// A row of such a page.
pub fn cells(table: &Table, row: &impl Columns) -> Stores<Cells> {
    let cell = |(name, kind): &(&'static str, ColumnKind)| {
        Ok(match kind {
            ColumnKind::Text => row.text(name)?.map(Cell::Text),
            ColumnKind::Number => row.number(name)?.map(Cell::Number),
            ColumnKind::Bytes => row.bytes(name)?.map(Cell::Bytes),
        }
        .unwrap_or(Cell::Null))
    };
    table.columns.iter().map(cell).collect()
}

/// One statement that adds rows.
pub fn add(table: &Table, columns: &[&'static str], rows: Vec<Cells>) -> Query {
    let mut number = 0_usize;
    let mut one = || {
        let places: Vec<String> = columns
            .iter()
            .map(|_| {
                number += 1;
                format!("?{number}")
            })
            .collect();
        format!("({})", places.join(", "))
    };
    let values: Vec<String> = rows.iter().map(|_| one()).collect();
    let sql = format!("INSERT INTO {} ({}) VALUES {}", table.name, columns.join(", "), values.join(", "));
    let kind = |name: &str| {
        table.columns.iter().find(|(known, _)| *known == name).map_or(ColumnKind::Text, |(_, kind)| *kind)
    };
    let kinds: Vec<ColumnKind> = columns.iter().map(|name| kind(name)).collect();
    rows.into_iter().fold(query(sql), |query, row| {
        row.into_iter().zip(&kinds).fold(query, |query, (cell, kind)| bind(query, cell, *kind))
    })
}

/// One statement for each table; it finds a row where the table holds one.
pub fn occupied() -> impl Iterator<Item = (&'static str, Query)> {
    let left_out = LEFT_OUT.iter().copied().filter(|name| !name.contains('.'));
    let tables = TABLES.iter().map(|table| table.name).chain(left_out);
    tables.map(|name| (name, query(format!("SELECT 1 AS one FROM {name} LIMIT 1"))))
}

fn bind(query: Query, cell: Cell, kind: ColumnKind) -> Query {
    match (cell, kind) {
        (Cell::Text(text), _) => query.bind(text),
        (Cell::Number(number), _) => query.bind(number),
        (Cell::Bytes(bytes), _) => query.bind(bytes),
        (Cell::Null, ColumnKind::Number) => query.bind(None::<i64>),
        (Cell::Null, ColumnKind::Text | ColumnKind::Bytes) => query.bind(None::<String>),
    }
}
