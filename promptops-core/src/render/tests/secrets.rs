//! Values are in no error and no Debug text.

use serde_json::json;

use super::both::{BOTH, compile};
use super::*;

#[test]
fn no_error_shows_a_value() {
    let parameters = json!({
        "s": "s3cret-1", "n": 1, "f": 1.5, "l": ["s3cret-2", 1], "m": {"s3cret-3": "s3cret-4", "k": {"s3cret-5": 1}},
        "huge": 987654321_i64,
    });
    let mut failed = 0;
    for template in [
        "{{ s | int }}",
        "{{ s | float }}",
        "{{ f | int }}",
        "{{ s + 1 }}",
        "{{ s | abs }}",
        "{{ l | sort }}",
        "{{ m.nope }}",
        "{{ m.k.nope }}",
        "{{ m.k.nope.x }}",
        "{{ m[s] }}",
        "{{ m[s] ~ 1 }}",
        "{{ s.nope }}",
        "{{ l[s] }}",
        "{{ m | get(key=s) }}",
        "{{ n | round(method=s) }}",
        "{{ s is odd }}",
        "{{ f is odd }}",
        "{{ n is containing(pat=s) }}",
        "{{ f is divisible_by(divisor=2) }}",
        "{{ throw(message=s) }}",
        "{{ [m] | sort(attribute=s) }}",
        "{{ [m] | group_by(attribute=s) }}",
        "{{ s | indent(width=s) }}",
        "{{ s | indent(indentation=s) }}",
        "{{ range(end=s) }}",
        "{{ range(end=huge) }}",
        "{{ huge ** huge }}",
        "{{ s | truncate(length=s) }}",
        "{{ s | pluralize }}",
        "{{ s in n }}",
        "{{ s < n }}",
        "{{ -s }}",
        "{{ s[s:] }}",
        "{{ l[::n - 1] }}",
        "{{ s | int(base=huge) }}",
        "{{ s | nth(n=1) }}",
        "{{ l | nth(n=s) }}",
        "{{ n % 0 }}",
        "{% for k, v in l %}{% endfor %}",
        "{% for k in n %}{% endfor %}",
        "{{ [...s] }}",
        "{{ {...s} }}",
        "{{ huge | truncate(length=-huge) }}",
        "{{ s | first }}",
        "{{ s | keys }}",
        "{{ s | default }}",
    ] {
        let closure = resolve(Content::text(template), &[]).unwrap_or_else(|e| panic!("{template}: {e}"));
        for form in BOTH {
            let compiled = compile(form, &closure, RenderLimits::default()).unwrap();
            let shown = format!("{compiled:?}");
            assert!(!shown.contains("s3cret"), "{shown}");
            let Err(error) = compiled.render(&parameters) else {
                continue;
            };
            failed += 1;
            let mut texts = format!("{error} {error:?} {error:#?}");
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                texts += &format!("{cause} {cause:?}");
                source = cause.source();
            }
            assert!(
                !texts.contains("s3cret") && !texts.contains("987654321"),
                "{template}: {texts}"
            );
            assert!(error.location().is_some(), "{template}: {error}");
        }
    }
    assert!(failed >= 80, "{failed}");
}
