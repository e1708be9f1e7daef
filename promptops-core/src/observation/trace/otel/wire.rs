//! Spans as OTLP has them in JSON: `ExportTraceServiceRequest` of OTLP 1.10, section "JSON Protobuf Encoding".
//!
//! Ids are hexadecimal, 64-bit integers are texts or numbers, enumerations are numbers (their names are read too), unknown
//! fields are ignored, and `null` is the same as no field.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use super::report::SkipReason;

/// Why a span is passed over, and what is wrong, without content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub reason: SkipReason,
    pub detail: String,
}

impl Fault {
    pub fn new(reason: SkipReason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
        }
    }
}

/// An object. By itself `serde` takes a list of the fields' values as well.
pub(super) struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields))
    }
}

/// A list of which nothing is kept: each item is read, so that it is known to be one.
struct Each<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Each<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Items(PhantomData))
    }
}

struct Items<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
    type Value = Each<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Each<T>, A::Error> {
        while items.next_element::<T>()?.is_some() {}
        Ok(Each(PhantomData))
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resources<L> {
    resource_spans: Option<L>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scopes<L> {
    scope_spans: Option<L>,
}

#[derive(serde::Deserialize)]
struct Spans<L> {
    spans: Option<L>,
}

/// A request down to its spans, which are not looked into: one that is wrong costs no other.
type Checked<'a> = Resources<Each<Object<Scopes<Each<Object<Spans<Each<&'a RawValue>>>>>>>>;

/// A request that was read once, so that it is known to be one. Its spans are found as they are asked for: of those that are
/// next to nothing there may be as many as the text has bytes, and a list of them would take a multiple of it.
pub(super) struct ExportRequest<'a>(&'a str);

impl<'a> ExportRequest<'a> {
    /// Reads a request; says what is wrong without content.
    pub fn read(text: &'a [u8]) -> Result<Self, String> {
        serde_json::from_slice::<Object<Checked<'_>>>(text).map_err(|e| syntax(&e))?;
        let text = std::str::from_utf8(text)
            .map_err(|e| format!("the JSON is no UTF-8 after its first {} bytes", e.valid_up_to()))?;
        Ok(Self(text))
    }

    /// The text of each span, in order.
    pub fn spans(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let resources = list(self.0, |Resources { resource_spans }| resource_spans);
        let scopes = resources.flat_map(|resource| list(resource, |Scopes { scope_spans }| scope_spans));
        scopes.flat_map(|scope| list(scope, |Spans { spans }| spans))
    }
}

/// The items of a list that is a field of an object.
fn list<'a, T: Deserialize<'a>>(object: &'a str, field: fn(T) -> Option<&'a RawValue>) -> List<'a> {
    let object: Option<Object<T>> = serde_json::from_str(object).ok();
    let list = object.and_then(|Object(fields)| field(fields));
    List(
        list.and_then(|list| list.get().strip_prefix('['))
            .unwrap_or_default(),
    )
}

/// The texts of a list's items, in what is left of a list that was read before.
struct List<'a>(&'a str);

impl<'a> Iterator for List<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.0.trim_ascii_start();
        let rest = rest.strip_prefix(',').unwrap_or(rest).trim_ascii_start();
        let mut parser = serde_json::Deserializer::from_str(rest);
        let item = <&RawValue>::deserialize(&mut parser).ok()?.get();
        self.0 = &rest[item.len()..];
        Some(item)
    }
}

/// What is wrong with a JSON text: in which line and column of it, without a word of it.
pub(super) fn syntax(e: &serde_json::Error) -> String {
    let what = if e.is_eof() {
        "the JSON breaks off"
    } else if e.is_data() {
        "a field has the wrong type, or comes twice"
    } else {
        "no JSON, or nested too deeply"
    };
    format!("{what} at its line {}, column {}", e.line(), e.column())
}

/// A span.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Span {
    #[serde(default)]
    trace_id: Value,
    #[serde(default)]
    span_id: Value,
    #[serde(default)]
    start_time_unix_nano: Value,
    #[serde(default)]
    end_time_unix_nano: Value,
    #[serde(default)]
    pub attributes: Option<Vec<Object<KeyValue>>>,
    #[serde(default)]
    pub events: Option<Vec<Object<Event>>>,
    #[serde(default)]
    pub status: Option<Object<Status>>,
}

/// Something that happened within a span.
#[derive(serde::Deserialize)]
pub(super) struct Event {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub attributes: Option<Vec<Object<KeyValue>>>,
}

/// How a span ended.
#[derive(serde::Deserialize)]
pub(super) struct Status {
    #[serde(default)]
    code: Value,
    #[serde(default)]
    pub message: Option<String>,
}

impl Status {
    /// Whether it ended with an error.
    pub fn is_error(&self) -> bool {
        match &self.code {
            Value::String(name) => name == "STATUS_CODE_ERROR",
            code => code.as_u64() == Some(2),
        }
    }
}

/// An attribute, whose value is not looked into until it is asked for.
#[derive(serde::Deserialize)]
pub(super) struct KeyValue {
    #[serde(default)]
    pub key: String,
    #[serde(default)]
    pub value: Value,
}

impl Span {
    pub fn read(text: &str) -> Result<Self, Fault> {
        serde_json::from_str(text)
            .map(|Object(span)| span)
            .map_err(|e| Fault::new(SkipReason::Malformed, syntax(&e)))
    }

    /// The ids of the trace and of the span, 16 and 8 bytes.
    pub fn ids(&self) -> Result<([u8; 16], [u8; 8]), Fault> {
        let trace = hexadecimal(&self.trace_id).ok_or_else(|| no_id("trace", 32))?;
        let span = hexadecimal(&self.span_id).ok_or_else(|| no_id("span", 16))?;
        Ok((trace, span))
    }

    /// When it began, in nanoseconds since 1970.
    pub fn start(&self) -> Result<u64, Fault> {
        nanos("beginning", &self.start_time_unix_nano)?
            .ok_or_else(|| Fault::new(SkipReason::BadTime, "it has no time of its beginning"))
    }

    /// When it ended.
    pub fn end(&self) -> Result<Option<u64>, Fault> {
        nanos("end", &self.end_time_unix_nano)
    }
}

fn no_id(what: &str, digits: usize) -> Fault {
    Fault::new(
        SkipReason::NoId,
        format!("the id of its {what} is not {digits} hexadecimal digits, or all are 0"),
    )
}

/// Bytes from hexadecimal digits; not zeros alone, which OTLP calls invalid.
fn hexadecimal<const N: usize>(value: &Value) -> Option<[u8; N]> {
    let digits = value.as_str()?.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    (bytes != [0; N]).then_some(bytes)
}

/// A time in nanoseconds; 0, as in protocol buffers, is none.
fn nanos(what: &str, value: &Value) -> Result<Option<u64>, Fault> {
    let nanos = match value {
        Value::Null => Some(0),
        Value::String(digits) => digits.parse().ok(),
        Value::Number(number) => number.as_u64(),
        _ => None,
    };
    match nanos {
        Some(nanos) => Ok(Some(nanos).filter(|nanos| *nanos > 0)),
        None => Err(Fault::new(
            SkipReason::BadTime,
            format!("the time of its {what} is no number of nanoseconds"),
        )),
    }
}

/// The value that an `AnyValue` stands for; `None` for none. What is no number in JSON (`NaN`, an infinity) is its name, as
/// OTLP writes it.
pub(super) fn any_value(value: Value) -> Result<Option<Value>, ()> {
    let mut fields = match value {
        Value::Null => return Ok(None),
        Value::Object(fields) => fields,
        _ => return Err(()),
    };
    let mut take = |name: &str| fields.remove(name).filter(|value| !value.is_null());
    if let Some(text) = take("stringValue").or_else(|| take("bytesValue")) {
        return if text.is_string() { Ok(Some(text)) } else { Err(()) };
    }
    if let Some(integer) = take("intValue") {
        let integer = match &integer {
            Value::String(digits) => digits.parse::<i64>().ok(),
            integer => integer.as_i64(),
        };
        return integer.map(|integer| Some(Value::from(integer))).ok_or(());
    }
    if let Some(double) = take("doubleValue") {
        let number = match &double {
            Value::String(text) => text.parse::<f64>().map_err(|_| ())?,
            double => double.as_f64().ok_or(())?,
        };
        return Ok(Some(match Number::from_f64(number) {
            Some(number) => Value::Number(number),
            None => Value::String(number.to_string()),
        }));
    }
    if let Some(truth) = take("boolValue") {
        return if truth.is_boolean() {
            Ok(Some(truth))
        } else {
            Err(())
        };
    }
    if let Some(array) = take("arrayValue") {
        let items = values(array)?.into_iter();
        let items = items.map(|item| any_value(item).map(Option::unwrap_or_default));
        return Ok(Some(Value::Array(items.collect::<Result<_, ()>>()?)));
    }
    if let Some(list) = take("kvlistValue") {
        let mut map = Map::new();
        for entry in values(list)? {
            let Value::Object(mut entry) = entry else {
                return Err(());
            };
            let Some(Value::String(key)) = entry.remove("key") else {
                return Err(());
            };
            let value = any_value(entry.remove("value").unwrap_or_default())?;
            map.insert(key, value.unwrap_or_default());
        }
        return Ok(Some(Value::Object(map)));
    }
    // An empty message, or a kind of value that is newer than this.
    Ok(None)
}

fn values(list: Value) -> Result<Vec<Value>, ()> {
    let Value::Object(mut list) = list else {
        return Err(());
    };
    match list.remove("values") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(values)) => Ok(values),
        Some(_) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_of_value_is_read() {
        for (any, value) in [
            (json!({"stringValue": "a"}), json!("a")),
            (json!({"intValue": "-7"}), json!(-7)),
            (
                json!({"intValue": 9_007_199_254_740_993_i64}),
                json!(9_007_199_254_740_993_i64),
            ),
            (json!({"doubleValue": 0.5}), json!(0.5)),
            (json!({"doubleValue": "NaN"}), json!("NaN")),
            (json!({"doubleValue": "-Infinity"}), json!("-inf")),
            (json!({"boolValue": false}), json!(false)),
            (json!({"bytesValue": "AA=="}), json!("AA==")),
            (
                json!({"arrayValue": {"values": [{"intValue": 1}, {}, {"arrayValue": {}}]}}),
                json!([1, null, []]),
            ),
            (
                json!({"kvlistValue": {"values": [{"key": "a", "value": {"stringValue": "b"}}, {"key": "c"}]}}),
                json!({"a": "b", "c": null}),
            ),
            (json!({"stringValue": null, "intValue": 1}), json!(1)),
        ] {
            assert_eq!(any_value(any.clone()), Ok(Some(value)), "{any}");
        }
        for none in [json!(null), json!({}), json!({"newValue": 1})] {
            assert_eq!(any_value(none), Ok(None));
        }
        for wrong in [
            json!("bare"),
            json!({"stringValue": 1}),
            json!({"intValue": "x"}),
            json!({"intValue": 1.5}),
            json!({"doubleValue": []}),
            json!({"boolValue": "true"}),
            json!({"arrayValue": []}),
            json!({"arrayValue": {"values": {}}}),
            json!({"kvlistValue": {"values": [{"value": {}}]}}),
            json!({"arrayValue": {"values": [{"intValue": "x"}]}}),
        ] {
            assert_eq!(any_value(wrong.clone()), Err(()), "{wrong}");
        }
    }

    #[test]
    fn spans_are_found_wherever_they_are() {
        let read = |text: &str| -> Result<Vec<String>, String> {
            let request = ExportRequest::read(text.as_bytes())?;
            Ok(request.spans().map(str::to_owned).collect())
        };
        let spans =
            r#" { "a\u0022]": ["}", 1.5e3, {"b": null}] } ,-1,"x]" , [[ ], {}],true,null , {"é": "\\"}"#;
        let text = format!(
            "{{\"x\": [1], \"resourceSpans\" : [ {{\"scopeSpans\":[{{}},{{\"spans\":[{spans}\n]}},{{\"spans\":null}}]}} ,\t\
             {{\"resource\":{{}}}}, {{\"scopeSpans\":[{{\"name\":\"]\",\"spans\":[ ]}},{{\"spans\":[7\r]}}]}},\
             {{\"scopeSpans\":[]}}],\"y\":2}}"
        );
        assert_eq!(
            read(&text).unwrap(),
            [
                r#"{ "a\u0022]": ["}", 1.5e3, {"b": null}] }"#,
                "-1",
                r#""x]""#,
                "[[ ], {}]",
                "true",
                "null",
                r#"{"é": "\\"}"#,
                "7",
            ]
        );
        for none in ["{}", r#"{"resourceSpans":null}"#, r#"{"resourceSpans":[]}"#] {
            assert_eq!(read(none), Ok(Vec::new()));
        }
        for wrong in [
            "",
            "[]",
            "1",
            r#"{"resourceSpans":{}}"#,
            r#"{"resourceSpans":[null]}"#,
            r#"{"resourceSpans":[[[]]]}"#,
            r#"{"resourceSpans":[],"resourceSpans":[]}"#,
            r#"{"resourceSpans":[{"scopeSpans":[1]}]}"#,
            r#"{"resourceSpans":[{"scopeSpans":[{"spans":"x"}]}]}"#,
            r#"{"resourceSpans":[{"scopeSpans":[{"spans":[1,]}]}]}"#,
            r#"{"resourceSpans":[{"scopeSpans":[{"spans":[1 2]}]}]}"#,
            r#"{"resourceSpans":[{"scopeSpans":[{"spans":[1]}]}]"#,
            r#"{"resourceSpans":[]} {}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let latin = b"{\"x\":\"\xe9\",\"resourceSpans\":[]}";
        assert!(ExportRequest::read(latin).err().unwrap().contains("no UTF-8"));
    }

    #[test]
    fn ids_and_times_are_told_apart_from_what_is_none() {
        let span = |fields: Value| Span::read(&fields.to_string()).unwrap();
        let good = span(json!({
            "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "eee19b7ec3c1b174",
            "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": 1_544_712_661_000_000_000_u64,
        }));
        assert_eq!(
            good.ids().unwrap().1,
            [0xee, 0xe1, 0x9b, 0x7e, 0xc3, 0xc1, 0xb1, 0x74]
        );
        assert_eq!(good.start(), Ok(1_544_712_660_000_000_000));
        assert_eq!(good.end(), Ok(Some(1_544_712_661_000_000_000)));
        for (trace, id) in [
            (json!("00".repeat(16)), json!("eee19b7ec3c1b174")),
            (json!("W47/95gDgQPSabYzgT/GDA=="), json!("eee19b7ec3c1b174")),
            (json!("5b8efff798038103d269b633813fc60c"), json!("eee19b7ec3c1b1")),
            (json!("5b8efff798038103d269b633813fc60c"), json!(7)),
            (
                json!("5b8efff798038103d269b633813fc60é"),
                json!("eee19b7ec3c1b174"),
            ),
        ] {
            let fault = span(json!({"traceId": trace, "spanId": id})).ids().unwrap_err();
            assert_eq!(fault.reason, SkipReason::NoId);
        }
        for bad in [
            json!(-1),
            json!(1.5),
            json!("x"),
            json!(""),
            json!("99999999999999999999"),
            json!([]),
        ] {
            let span = span(json!({"startTimeUnixNano": bad}));
            assert_eq!(span.start().unwrap_err().reason, SkipReason::BadTime, "{bad}");
        }
        assert_eq!(span(json!({})).end(), Ok(None));
        assert_eq!(span(json!({"endTimeUnixNano": "0"})).end(), Ok(None));
    }

    #[test]
    fn what_is_wrong_is_told_without_the_text() {
        for text in [
            r#"["hunter2"]"#,
            r#"{"attributes": [["hunter2"]]}"#,
            r#"{"attributes": "hunter2"}"#,
            r#"{"traceId": "hunter2"#,
            r#"{"status": {"message": ["hunter2"]}}"#,
        ] {
            let fault = Span::read(text).err().unwrap();
            assert_eq!(fault.reason, SkipReason::Malformed);
            assert!(!fault.detail.contains("hunter2"), "{}", fault.detail);
        }
    }
}
