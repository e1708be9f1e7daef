//! Between a cell and a value.

use serde_json::Value;

use super::format::Cells;
use crate::evaluation::dataset::json::{kind, parse};

/// The value that a cell says; none if it is empty.
pub(super) fn read(cell: &str, cells: Cells) -> Result<Option<Value>, String> {
    if cell.is_empty() {
        return Ok(None);
    }
    let text = || Value::String(cell.to_owned());
    Ok(Some(match cells {
        Cells::Texts => text(),
        Cells::Json if cell.trim_ascii_start().starts_with(['{', '[', '"']) => parse(cell)?,
        Cells::Json => match serde_json::from_str(cell) {
            Err(_) => text(),
            Ok(Value::Number(n)) if n.is_f64() && !cell.contains(['.', 'e', 'E']) => text(),
            Ok(value) => value,
        },
    }))
}

/// The cell that says a value, or why there is none.
pub(super) fn write(value: &Value, cells: Cells) -> Result<String, String> {
    match (value, cells) {
        (Value::String(text), Cells::Texts) if !text.is_empty() => Ok(text.clone()),
        (Value::String(text), Cells::Json)
            if read(text, cells).is_ok_and(|read| read.as_ref() == Some(value)) =>
        {
            Ok(text.clone())
        }
        (_, Cells::Json) => Ok(value.to_string()),
        (Value::String(_), Cells::Texts) => Err("an empty string".to_owned()),
        (other, Cells::Texts) => Err(kind(other).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_strings_and_nothing_else() {
        for cell in ["5", "null", "{", "\"a\"", " "] {
            assert_eq!(read(cell, Cells::Texts).unwrap(), Some(json!(cell)));
            assert_eq!(write(&json!(cell), Cells::Texts).unwrap(), cell);
        }
        assert_eq!(read("", Cells::Texts).unwrap(), None);
        for (value, found) in [
            (json!(""), "an empty string"),
            (json!(5), "a number"),
            (json!([]), "an array"),
        ] {
            assert_eq!(write(&value, Cells::Texts).unwrap_err(), found);
        }
    }

    #[test]
    fn json_cells_say_every_value_and_plain_words_stay_plain() {
        for (cell, value) in [
            ("3 parcels", json!("3 parcels")),
            ("007", json!("007")),
            ("NaN", json!("NaN")),
            ("-", json!("-")),
            ("True", json!("True")),
            ("1e999", json!("1e999")),
            ("4000123412341234567890", json!("4000123412341234567890")),
            ("18446744073709551615", json!(u64::MAX)),
            ("-0.0", json!(-0.0)),
            ("0.1", json!(0.1)),
            ("true", json!(true)),
            ("null", json!(null)),
            ("\"\"", json!("")),
            ("\"5\"", json!("5")),
            ("\"null\"", json!("null")),
            ("\" 5\"", json!(" 5")),
            ("\"[1] see below\"", json!("[1] see below")),
            ("{\"a\":[1,\"b\"]}", json!({"a": [1, "b"]})),
        ] {
            assert_eq!(read(cell, Cells::Json).unwrap(), Some(value.clone()), "{cell}");
            assert_eq!(write(&value, Cells::Json).unwrap(), cell);
        }
        assert_eq!(read(" [1] ", Cells::Json).unwrap(), Some(json!([1])));
        for torn in [
            "{\"a\": 1",
            "[1] see below",
            "\"quoted\" he said",
            " {",
            "{\"a\":1,\"a\":2}",
        ] {
            assert!(read(torn, Cells::Json).is_err(), "{torn}");
        }
    }
}
