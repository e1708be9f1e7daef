//! The request path, warm: resolving and rendering.

use std::hint::black_box;
use std::time::Duration;

use promptops_benches::is_bench;
use promptops_benches::measure::{compare, compare_on_two_threads};
use promptops_benches::memory::{Counting, allocations};
use promptops_benches::prompt::{self, Parameters};
use promptops_benches::table::{Goal, Table};
use promptops_core::base::Actor;
use promptops_core::prompt::{ChatItem, Draft, placeholder, system, user};
use promptops_core::resolve::{Answer, ResolveSettings};
use promptops_core::{MemoryBackend, PromptOps, Tenant};
use serde::Serialize;
use serde_json::{Value, json};
use tera::{Context, Tera};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Substitutions and nothing else, as most prompts are.
const PLAIN: &str =
    "You are the first line of support at {{ company }}, which makes {{ product }}. Answer in {{ language }}.

The customer is {{ customer }}. This is the ticket:

{{ ticket }}

Give category, urgency and the answer, each on a line of its own, and sign as {{ company }}.";

/// A history of so many turns, of 500 bytes each.
const TURNS: usize = 400;

fn main() {
    if !is_bench() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let world = World::new(&runtime);
    chat(&world);
    plain(&world);
    long(&world);
}

struct World {
    acme: Tenant,
    tera: Tera,
}

impl World {
    fn new(runtime: &Runtime) -> Self {
        let mut settings = ResolveSettings::default();
        // So that nothing ages while the bench runs.
        settings.max_age = Duration::from_secs(3_600);
        let ops = PromptOps::builder(MemoryBackend::new())
            .resolve_settings(settings)
            .build();
        let acme = ops.tenant("acme").expect("a name");
        let ana = Actor::owner("ana");
        let [first, second] = prompt::templates(1);
        let loops = "{% for turn in history %}{{ turn.role }}: {{ turn.content }}\n{% endfor %}";
        runtime.block_on(async {
            for (name, text) in prompt::SNIPPETS {
                let draft = Draft::text(text).by(&ana).active();
                acme.prompts().save(name, draft).await.expect("it is saved");
            }
            let chats: [(&str, Vec<ChatItem>); 4] = [
                ("chat", vec![system(&first), user(&second)]),
                ("plain", vec![user(PLAIN)]),
                ("loop", vec![user(loops)]),
                ("placeholder", vec![system("Go on."), placeholder("history")]),
            ];
            for (name, items) in chats {
                let draft = Draft::chat(items).by(&ana).active();
                acme.prompts().save(name, draft).await.expect("it is saved");
                acme.resolve(name).await.expect("it is there");
            }
        });
        let mut tera = Tera::default();
        tera.autoescape_on(Vec::<&str>::new());
        let templates = [
            ("0", first.as_str()),
            ("1", second.as_str()),
            ("plain", PLAIN),
            ("loop", loops),
        ];
        tera.add_raw_templates(prompt::SNIPPETS.into_iter().chain(templates))
            .expect("the templates are well formed");
        Self { acme, tera }
    }

    fn ours(&self, name: &str, parameters: &(impl Serialize + ?Sized)) -> Answer {
        let resolved = self.acme.try_resolve(name).expect("it is warm");
        resolved.render(parameters).expect("it renders")
    }

    fn engine(&self, names: &[&str], parameters: &(impl Serialize + ?Sized)) -> Vec<String> {
        let context = Context::from_serialize(parameters).expect("a map");
        let rendered = names.iter().map(|name| self.tera.render(name, &context));
        rendered.collect::<Result<_, _>>().expect("it renders")
    }
}

fn texts(answer: &Answer) -> Vec<String> {
    let texts = answer.messages().iter().filter_map(|message| message.text());
    texts.map(str::to_owned).collect()
}

/// A row for times against each floor, and one for allocations.
fn rows<A, B, C>(
    table: &mut Table,
    what: &str,
    goal: f64,
    most_allocations: Option<usize>,
    mut ours: impl FnMut() -> A,
    (mut engine, mut pushes): (impl FnMut() -> B, impl FnMut() -> C),
) {
    let pair = compare(&mut ours, &mut engine);
    table.pair(&format!("{what}; bare Tera"), &pair, Goal::AtMost(goal));
    let pair = compare(&mut ours, &mut pushes);
    table.pair(&format!("{what}; pushes"), &pair, Goal::AtMost(goal));
    // The first ones learn how long the texts become.
    let counts = [
        allocations(|| black_box(ours())),
        allocations(|| black_box(engine())),
        allocations(|| black_box(pushes())),
    ];
    let [of_ours, of_engine, of_pushes] = counts;
    table.row(
        [
            &format!("{what}, allocations"),
            &of_ours.to_string(),
            &format!("{of_engine}, {of_pushes}"),
            "",
            &most_allocations.map_or_else(String::new, |most| format!("≤ {most}")),
        ],
        most_allocations.map(|most| of_ours <= most),
    );
}

fn chat(world: &World) {
    let mut table = Table::new(
        "warm resolve and render of the 2 KB chat prompt",
        "bare Tera, context and both messages; texts pushed by hand",
    );
    let parameters = Parameters::default();
    let json = serde_json::to_value(&parameters).expect("it has a JSON form");
    let expected = world.engine(&["0", "1"], &json);
    assert_eq!(
        texts(&world.ours("chat", &json)),
        expected,
        "both sides render the same"
    );
    assert_eq!(texts(&world.ours("chat", &parameters)), expected);
    let between = prompt::templates_inline(1).map(|template| prompt::texts_between(&template));
    assert_eq!(parameters.pushed(&between).to_vec(), expected);
    let borrowed = parameters.borrowed();
    assert_eq!(texts(&world.ours("chat", &borrowed)), expected);
    let engine = || world.engine(&["0", "1"], &json);
    let pushes = || parameters.pushed(&between);
    rows(
        &mut table,
        "from serde_json::Value",
        1_500.0,
        Some(6),
        || world.ours("chat", &json),
        (engine, pushes),
    );
    rows(
        &mut table,
        "from a struct",
        1_500.0,
        None,
        || world.ours("chat", &parameters),
        (|| world.engine(&["0", "1"], &parameters), pushes),
    );
    rows(
        &mut table,
        "from params!, made each time",
        1_500.0,
        None,
        || world.ours("chat", &parameters.borrowed()),
        (engine, pushes),
    );
    let one = compare(|| world.ours("chat", &json), engine);
    let two = compare_on_two_threads(|_| || world.ours("chat", &json), |_| engine);
    let times = |one: f64, two: f64| format!("{:.2} ×", one / two);
    let (ours, floor) = (
        times(one.ours.median(), two.ours.median()),
        times(one.floor.median(), two.floor.median()),
    );
    table.row(
        ["two threads against one", &ours, &floor, "", "≥ 1.7 ×"],
        Some(one.ours.median() / two.ours.median() >= 1.7),
    );
}

fn plain(world: &World) {
    let mut table = Table::new(
        "warm resolve and render of substitutions only",
        "bare Tera; texts pushed by hand",
    );
    let parameters = Parameters::default();
    let json = serde_json::to_value(&parameters).expect("it has a JSON form");
    let expected = world.engine(&["plain"], &json);
    assert_eq!(
        texts(&world.ours("plain", &json)),
        expected,
        "both sides render the same"
    );
    let between = prompt::texts_between(PLAIN);
    assert_eq!(parameters.pushed_plain(&between), expected[0]);
    rows(
        &mut table,
        "from serde_json::Value",
        600.0,
        None,
        || world.ours("plain", &json),
        (
            || world.engine(&["plain"], &json),
            || parameters.pushed_plain(&between),
        ),
    );
}

fn long(world: &World) {
    let mut table = Table::new("a prompt of 200 KB", "a copy of the messages as they come out");
    let turn = |i: usize| {
        let role = if i.is_multiple_of(2) { "user" } else { "assistant" };
        json!({"role": role, "content": format!("{i}: {}", "so it went on, and ".repeat(26))})
    };
    let json = json!({"history": (0..TURNS).map(turn).collect::<Vec<Value>>()});
    for (what, name) in [
        ("a loop over the history", "loop"),
        ("a placeholder for it", "placeholder"),
    ] {
        let answer = world.ours(name, &json);
        let bytes: usize = texts(&answer).iter().map(String::len).sum();
        assert!((190_000..230_000).contains(&bytes), "{bytes}");
        let pair = compare(|| world.ours(name, &json), || answer.messages().to_vec());
        table.pair(what, &pair, Goal::Times(2.0));
    }
}
