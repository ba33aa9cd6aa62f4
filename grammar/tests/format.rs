//! The formatter: programs come out the same tree, the same comments, and unchanged by a second pass.

use std::fmt::Write as _;

use nmc_grammar::span::FileId;
use nmc_grammar::{format, parse};
use proptest::prelude::*;

/// The `nmc` samples of the reference.
fn reference() -> Vec<String> {
    let text = include_str!("../../docs/language.md");
    text.split("```nmc\n").skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_string).collect()
}

/// The programs beside this test, and the examples.
fn programs() -> Vec<String> {
    let folders = ["/tests/programs", "/../examples", "/../examples/gallery", "/../examples/models"];
    let entries = folders.map(|folder| std::fs::read_dir(format!("{}{folder}", env!("CARGO_MANIFEST_DIR"))).unwrap());
    let mut paths: Vec<_> = entries.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "nmc"));
    paths.sort();
    paths.into_iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

fn samples() -> Vec<String> {
    let mut all = reference();
    all.extend(programs());
    all
}

/// The tree and the comments, without places.
fn meaning(text: &str) -> String {
    let (file, errors) = parse(FileId(0), text);
    assert!(errors.is_empty(), "{text}\n{errors:#?}");
    let mut tree = String::new();
    write!(tree, "{:?}", file.items).unwrap();
    for comment in &file.comments {
        write!(tree, "\n{}", comment.text).unwrap();
    }
    let mut placeless = String::new();
    let mut rest = tree.as_str();
    while let Some(at) = rest.find("Span {") {
        placeless.push_str(&rest[..at]);
        // Places are two braces deep: `Span { file: FileId(0), start: 1, end: 2 }`.
        let end = rest[at..].find('}').unwrap();
        rest = &rest[at + end + 1..];
    }
    placeless + rest
}

fn check(text: &str) {
    let once = format(text).unwrap_or_else(|errors| panic!("{text}\n{errors:#?}"));
    assert_eq!(meaning(text), meaning(&once), "the tree changed:\n{text}\n---\n{once}");
    let twice = format(&once).unwrap_or_else(|errors| panic!("{once}\n{errors:#?}"));
    assert_eq!(once, twice, "a second pass changed it");
}

#[test]
fn every_sample_keeps_its_meaning() {
    assert!(reference().len() >= 4 && programs().len() >= 10);
    for sample in samples() {
        check(&sample);
    }
}

#[test]
fn programs_are_laid_out_already() {
    for program in programs() {
        assert_eq!(format(&program).unwrap(), program);
    }
}

#[test]
fn layout_is_as_stated() {
    let text = "network n(a:real[2,3],b : int=3)->(y:real){ // first\n\n\n// about x\nx=a|>dense( w[ 0..4 ] , bias:-b )// behind\n\n\n\
                x->y;z = 2^-3 ;q=- x\nw in 0 .. 10uS\nif b>3{c=1}\nelse{c=2}}\n\nuse a.{b,c}";
    let expected = "network n(a: real[2, 3], b: int = 3) -> (y: real) {  // first
    // about x
    x = a |> dense(w[0..4], bias: -b)  // behind

    x -> y; z = 2^-3; q = -x
    w in 0 .. 10 uS
    if b > 3 { c = 1 } else { c = 2 }
}

use a.{b, c}
";
    assert_eq!(format(text).unwrap(), expected);
}

#[test]
fn long_lists_are_wrapped() {
    let names: Vec<String> = (0..60).map(|i| format!("value_{i}")).collect();
    let text = format!(
        "network n() {{ connect a -> b {{ pattern: list(sources: [{0}], targets: [{0}]), weight: 1 mV }} }}",
        names.join(",")
    );
    let laid_out = format(&text).unwrap();
    assert!(laid_out.lines().all(|line| line.len() <= 120), "{laid_out}");
    check(&text);
}

#[test]
fn long_statements_go_on_between_their_items() {
    let text = "experiment e {
    deploy n on c { pin fc1: core (0, 1) }
    test { x: shown.x } for 10 ms measure first_error = nrmse(y, shown.y) measure second = mse(y, shown.y) measure third = mean(y) measure last = max(y)
    train { x: x } measure long_enough_to_be_alone_on_its_line = nrmse(y, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]) measure b = mean(y)
}
network m() {
    probe a_population_with_a_name.spikes, another_population_with_a_name.spikes, the_third_of_them.spikes, d.v every 1 ms
}
";
    let expected = "experiment e {
    deploy n on c { pin fc1: core(0, 1) }
    test { x: shown.x } for 10 ms measure first_error = nrmse(y, shown.y) measure second = mse(y, shown.y)
        measure third = mean(y) measure last = max(y)
    train { x: x }
        measure long_enough_to_be_alone_on_its_line = nrmse(y, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
        measure b = mean(y)
}
network m() {
    probe a_population_with_a_name.spikes, another_population_with_a_name.spikes, the_third_of_them.spikes,
        d.v every 1 ms
}
";
    assert_eq!(format(text).unwrap(), expected);
    check(text);
}

/// The widest operators first, what fits a line in a line.
#[test]
fn long_expressions_are_broken_at_their_loosest_operators() {
    let text = "network m() {
    connect a_population -> a_population { pattern: random(p: if abs(pre.x - post.x) < 0.1 mm or abs(pre.y - post.y) < 0.1 mm and i > j then 0.5 * exp(-(pre.x - post.x)^2 / (0.15 mm)^2) else if i == j then 0.25 else 0.01, itself: false), weight: 1 mV }
    a_name_that_is_long = the_first_operand_of_them + the_second_operand_of_them * (1 - the_third_operand) - the_fourth_of_them
    x |> dense(load(\"data/the_weights.safetensors\")[\"hidden\"], bias: load(\"data/the_weights.safetensors\")[\"bias\"]) |> sigmoid -> y
}
";
    let expected = "network m() {
    connect a_population -> a_population {
        pattern: random(
            p: if abs(pre.x - post.x) < 0.1 mm or abs(pre.y - post.y) < 0.1 mm and i > j
                    then 0.5 * exp(-(pre.x - post.x)^2 / (0.15 mm)^2)
                else if i == j then 0.25
                else 0.01,
            itself: false
        )
        weight: 1 mV
    }
    a_name_that_is_long = the_first_operand_of_them + the_second_operand_of_them * (1 - the_third_operand) -
        the_fourth_of_them
    x
        |> dense(load(\"data/the_weights.safetensors\")[\"hidden\"], bias: load(\"data/the_weights.safetensors\")[\"bias\"])
        |> sigmoid
        -> y
}
";
    assert_eq!(format(text).unwrap(), expected);
    check(text);
}

/// An expression as text, with blanks and comments where they may stand.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("x".to_string()),
        Just("pre.v".to_string()),
        Just("12".to_string()),
        Just("1.5e-3ms".to_string()),
        Just("5 %".to_string()),
        Just("0.5 pJ  per  bit".to_string()),
        Just("\"a \\\" b\"".to_string()),
        Just("true".to_string()),
        Just("long_name_that_fills_a_line_quickly".to_string()),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let operator =
            prop::sample::select(vec!["+", " -", "*", " / ", "of ", "^", "==", "<", " and ", " or ", "..", "|>"]);
        let gap = prop::sample::select(vec!["", " ", "\n", "\n\n  ", " // why\n", "\n// own\n"]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(if {a} then {b} else {a})")),
            inner.clone().prop_map(|a| format!("-({a})")),
            inner.clone().prop_map(|a| format!("not ({a})")),
            (prop::collection::vec(inner.clone(), 0..4), gap.clone())
                .prop_map(|(list, gap)| format!("f({gap}{})", list.join(&format!(",{gap}")))),
            (prop::collection::vec(inner.clone(), 1..4), gap.clone())
                .prop_map(|(list, gap)| format!("[{}{gap}]", list.join(&format!("{gap},")))),
            (inner.clone(), inner, gap).prop_map(|(a, b, gap)| format!("f(k:{gap}{a},{gap}run: {b}{gap})")),
        ]
    })
    .prop_map(|text| format!("({text}\n)"))
}

fn statement() -> impl Strategy<Value = String> {
    (expression(), expression(), 0..9).prop_map(|(a, b, which)| match which {
        0 => format!("y = {a}"),
        1 => format!("x' = {a} -\n {b}"),
        2 => format!("spike when {a} {{ v = {b}; hold v for 2ms }}"),
        3 => format!("connect a -> b {{ weight: {a}, delay: {b} }}"),
        4 => format!("connect a -> b {{\n weight: {a} // w\n delay: {b}\n }}"),
        5 => format!("noise read: normal(0, {a})"),
        6 => format!("if {a} {{ v = {b} }} else {{\n// empty\n}}"),
        7 => format!("for i in 0..4 {{ a = {b} }}"),
        _ => format!("{a}\n   |> relu -> {}", "y"),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_programs_keep_their_meaning(
        statements in prop::collection::vec((statement(), prop::sample::select(vec!["\n", "; ", "  // note\n", "\n\n\n", "\n// own line\n", "\n/// doc\n"])), 0..6),
        open in prop::sample::select(vec!["{", "{\n", "{ // c\n", "{\n\n// d\n"]),
    ) {
        let mut text = format!("/// doc\nnetwork n(a: real) {open}");
        for (statement, end) in statements {
            text += &statement;
            text += end;
        }
        text += "}\n";
        check(&text);
    }

    #[test]
    fn samples_in_any_spacing_keep_their_meaning(which in 0usize..1000, gaps in prop::collection::vec(0usize..4, 64)) {
        let all = samples();
        let sample = &all[which % all.len()];
        let mut text = String::new();
        for (index, line) in sample.lines().enumerate() {
            let gap = gaps[index % gaps.len()];
            text += &" ".repeat(gap * 3);
            text += line;
            text += &"\n".repeat(gap.max(1));
        }
        check(&text);
    }
}
