//! Syntax errors: one mistake, one message, in words, at its place; and the rest of the file is still read.

use nmc_grammar::ast::{File, Item};
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::FileId;
use nmc_grammar::{parse, parse_expression};

fn read(text: &str) -> (File, Vec<Diagnostic>) {
    parse(FileId(0), text)
}

/// `code at "text": message (help)`, one line an error.
fn shown(text: &str) -> Vec<String> {
    let line = |error: Diagnostic| {
        let place = error.primary.map_or("", |label| &text[label.span.start as usize..label.span.end as usize]);
        let help = error.help.map_or(String::new(), |help| format!(" ({help})"));
        format!("{} at {place:?}: {}{help}", error.code.number(), error.message)
    };
    read(text).1.into_iter().map(line).collect()
}

fn one(text: &str, expected: &str) {
    assert_eq!(shown(text), [expected], "{text}");
}

#[test]
fn each_mistake_has_its_words() {
    one("netwrok n() {}", "E0108 at \"netwrok\": `netwrok` is not a kind of block (did you mean `network`?)");
    one("import x", "E0108 at \"import\": `import` is not a kind of block (write `use std.neuron.lif`)");
    one(
        "network n() { popluation exc: lif[3]() }",
        "E0109 at \"popluation\": no statement starts with `popluation` (did you mean `population`?)",
    );
    one(
        "network n() { while x { } }",
        "E0109 at \"while\": no statement starts with `while` (repeat structure with `for i in 0..4 { … }`)",
    );
    one(
        "neuron n { state state: real }",
        "E0110 at \"state\": `state` is a reserved word (use another name, such as `state_1`)",
    );
    one(
        "experiment e { deploy n { compensate: drift, converter } }",
        "E0110 at \"converter\": `converter` is a reserved word (did you mean `converters`?)",
    );
    one(
        "neuron n { y = 0 < x < 1 }",
        "E0111 at \"<\": comparisons cannot be chained (join two comparisons with `and`: `a < b and b < c`)",
    );
    one(
        "neuron n { spike when v = 3 mV {} }",
        "E0112 at \"=\": `=` gives a name a value, it does not compare (write `==`)",
    );
    one("neuron n { v == 3 mV }", "E0112 at \"==\": `==` compares, it gives no value (write `=`)");
    one(
        "network n() {\n    x |> relu\n}",
        "E0101 at \"x |> relu\": a value by itself does nothing (name it, `name = …`, or send it on, `… -> output`; spikes go to a population by `connect a -> b`)",
    );
    one("neuron n { y = a && b }", "E0102 at \"&&\": `&&` has no meaning here (write `and`)");
    one(
        "neuron n { y = \"open }\n}",
        "E0105 at \"\\\"open }\": this text has no closing `\"` (close it with `\"` on the same line)",
    );
    one("neuron n { y = 1e999 }", "E0104 at \"1e999\": this number is too large (use a larger unit)");
    one("neuron n { y = 3 + }", "E0101 at \"}\": found `}`, expected a value");
    one(
        "neuron n { y = f(a b) }",
        "E0101 at \"b\": found the name `b`, expected `,` or `)` (an operator or a `,` is missing)",
    );
    one(
        "neuron n { y = f(a) }\nnetwork m",
        "E0101 at \"\": found the end, expected `{`, `:` or `->` (a body in braces follows: `{ … }`)",
    );
    one("neuron n {\n    y = a !\n    z = b\n}", "E0102 at \"!\": `!` has no meaning here (write `not`)");
    one("# hello\nneuron n {}", "E0102 at \"#\": `#` has no meaning here (comments start with `//`)");
}

/// Two statements on one line, wherever the parser stumbles over the second.
#[test]
fn statements_on_one_line_are_separated() {
    let cases = [
        ("network n() { population a: lif[3]() probe a.spikes }", "probe"),
        ("network n() { x = 3 y = 4 }", "3 y = "),
        ("network n() { x = f(1) y = 4 }", "y"),
        ("neuron n { state v: voltage = 0 mV v' = -v / 5 ms }", "v"),
        ("neuron n { spike when v > 3 mV { v = 0 mV } input i: current }", "input"),
        ("network n() { for k in 0..3 { a = 1 } b = 2 }", "b"),
        ("experiment e { deploy n run for 10 ms }", "run"),
    ];
    for (text, place) in cases {
        let errors = read(text).1;
        let [error] = &errors[..] else { panic!("{text}: {errors:?}") };
        assert_eq!(error.help.as_deref(), Some("separate statements with `;`"), "{text}");
        let span = error.primary.as_ref().unwrap().span;
        assert!(text[span.start as usize..].starts_with(place.trim_end()), "{text}: {span:?}");
        // Mended that way there is no mistake.
        let at = if place.starts_with("3 y") { span.start as usize + 1 } else { span.start as usize };
        let mended = format!("{}; {}", &text[..at], text[at..].trim_start());
        assert!(read(&mended).1.is_empty(), "{mended}");
    }
}

/// What will be in the language says so, and its words can still be names.
#[test]
fn what_is_not_there_yet_says_so() {
    let cases = [
        ("network n() { repeat 20 { a = 1 } }", "a loop within a sample (`repeat`) is not supported yet"),
        ("experiment e { sweep bits in [4, 5] }", "`sweep` is not supported yet"),
        (
            "experiment e { test { x: d } expect y == z after [1 s, 1 h] }",
            "`after`, for chips that have aged, is not supported yet",
        ),
        ("experiment e { test { x: d } after 5 s }", "`after`, for chips that have aged, is not supported yet"),
    ];
    for (text, message) in cases {
        let errors = read(text).1;
        let [error] = &errors[..] else { panic!("{text}: {errors:?}") };
        assert_eq!((error.code.number(), error.message.as_str()), ("E0402", message));
    }
    assert_eq!(shown("network n() { next = 1; repeat = next; sweep |> after -> y }"), [""; 0]);
}

#[test]
fn delimiters_are_paired() {
    one("neuron n {\n    y = (1 + 2\n}\n", "E0103 at \"(\": this `(` is never closed (add the missing `)`)");
    one("neuron n { y = 1 } }", "E0103 at \"}\": this `}` closes nothing (remove the `}`)");
    one(
        "neuron n {\n    y = 1\n\nneuron m {\n    y = 2\n}\n",
        "E0103 at \"{\": this `{` is never closed (add the missing `}`)",
    );
    // The brace whose own `}` is missing, not the last one open.
    let text = "network n() {\n    for i in 0..3 {\n        x = 1\n    if a { y = 2 }\n}\n";
    let (_, errors) = read(text);
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].primary.as_ref().unwrap().span.start as usize, text.find("{\n        x").unwrap());
}

#[test]
fn several_mistakes_are_each_told_once() {
    let text = "
neuron a {
    state v voltage = 3 mV
    v' = -v / tau
    spike when v > { v = 0 }
    w inn 0 .. 3
}
network b() {
    population p: lif[3](
        tau_m: 3 ms, , )
    connect p -> p { weight 3 mV, delay: 1 ms }
    probe p.spikes
}
nueron c {}
chip d { cores: }
chip e { cores: grid(1, 1) of f }
";
    let (file, errors) = read(text);
    let lines: Vec<usize> = errors
        .iter()
        .map(|error| text[..error.primary.as_ref().unwrap().span.start as usize].matches('\n').count())
        .collect();
    assert_eq!(lines, [2, 4, 5, 9, 10, 13, 14], "{errors:#?}");
    let names: Vec<&str> = file
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Block(block) => Some(block.name.text.as_str()),
            Item::Use(_) | Item::Constant(_) => None,
        })
        .collect();
    assert_eq!(names, ["a", "b", "d", "e"]);
    let Item::Block(first) = &file.items[0] else { panic!() };
    assert_eq!(first.body.len(), 1, "the sound statement is kept");
}

#[test]
fn an_expression_by_itself() {
    assert!(parse_expression(FileId(0), "0.1 ms").is_ok());
    assert!(parse_expression(FileId(0), "grid(2, 3)").is_ok());
    for wrong in ["", "1 +", "a b", "(", "x = 3", "1 2", "\u{fffd}"] {
        let errors = parse_expression(FileId(0), wrong).unwrap_err();
        assert_eq!(errors.len(), 1, "{wrong}");
    }
}
