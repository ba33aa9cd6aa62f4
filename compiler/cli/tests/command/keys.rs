//! What `--json` prints keeps to the schemas in `docs/json`.

use std::path::Path;

use serde_json::Value;

use crate::{clean, example, folder, json, nmc};

fn schema(name: &str) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/json").join(name);
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// Where a value breaks a schema, of the keywords our schemas use; an unknown keyword is a fault of the schema.
fn faults(value: &Value, schema: &Value, place: &str, found: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "type" => {
                let several = rule.as_array().map_or(&[][..], Vec::as_slice);
                let names: Vec<&str> = several.iter().chain([rule]).filter_map(Value::as_str).collect();
                let fits = |name: &&str| match *name {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_u64() || value.is_i64(),
                    "number" => value.is_number(),
                    "null" => value.is_null(),
                    other => panic!("type {other}"),
                };
                if !names.iter().any(fits) {
                    found.push(format!("{place}: {value} is not {names:?}"));
                }
            }
            "enum" if !rule.as_array().unwrap().contains(value) => found.push(format!("{place}: {value}")),
            "minimum" if value.as_f64() < rule.as_f64() => found.push(format!("{place}: {value} is below {rule}")),
            "required" => {
                let missing = rule.as_array().unwrap().iter().filter(|key| value.get(key.as_str().unwrap()).is_none());
                found.extend(missing.map(|key| format!("{place}: no {key}")));
            }
            "properties" => {
                for (key, rule) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(key) {
                        faults(value, rule, &format!("{place}.{key}"), found);
                    }
                }
            }
            "additionalProperties" => {
                let known = |key: &String| schema.get("properties").is_some_and(|all| all.get(key).is_some());
                for (key, value) in value.as_object().into_iter().flatten().filter(|(key, _)| !known(key)) {
                    if *rule == Value::Bool(false) {
                        found.push(format!("{place}: unknown key {key}"));
                    } else {
                        faults(value, rule, &format!("{place}.{key}"), found);
                    }
                }
            }
            "items" => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    faults(value, rule, &format!("{place}[{index}]"), found);
                }
            }
            "$schema" | "title" | "description" | "enum" | "minimum" => (),
            other => panic!("{place}: the schema says {other}, which this test does not know"),
        }
    }
}

pub fn keeps_to(value: &Value, name: &str) {
    let mut found = Vec::new();
    faults(value, &schema(name), "", &mut found);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn runs_keep_to_their_schema() {
    for name in ["hello_spikes.nmc", "hybrid.nmc", "mnist_mlp.nmc", "reservoir.nmc"] {
        keeps_to(&json(&["run", &example(name), "--json"]), "run.schema.json");
    }
    let out = folder("keys").join("out");
    let out = out.display().to_string();
    let printed = json(&["run", &example("hello_spikes.nmc"), "--json", "--out", &out]);
    keeps_to(&printed, "run.schema.json");
    assert_eq!(printed["experiments"][0]["outputs"].as_array().unwrap().len(), 3);
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(format!("{out}/run.json")).unwrap()).unwrap();
    assert_eq!(kept, printed);
}

#[test]
fn reports_keep_to_their_schema() {
    for name in ["hello_spikes.nmc", "hybrid.nmc", "mnist_mlp.nmc", "reservoir.nmc"] {
        let report = json(&["report", &example(name), "--json"]);
        keeps_to(&report, "report.schema.json");
        assert_eq!(report["tiles"], report["experiments"][0]["tiles"]);
    }
}

/// What is described and not simulated: a warning once, and a note in every report.
#[test]
fn what_is_left_out_is_told_everywhere() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors/W0616.md")).unwrap();
    let program = page.split("```nmc fails\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let file = folder("left_out").join("written.nmc").display().to_string();
    std::fs::write(&file, program).unwrap();
    let said = "array: pulses that write reach cells in full: what wires take of them is left out";
    let checked = nmc(&["check", &file]);
    assert_eq!(checked.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&checked.stderr).matches(said).count(), 1);
    let image = folder("notes_of_an_image").join("image.nmx").display().to_string();
    clean(&["build", &file, "-o", &image]);
    let run = nmc(&["run", &image]);
    assert_eq!(String::from_utf8_lossy(&run.stderr).matches(said).count(), 1);
    let report = json(&["report", &file, "--json"]);
    assert_eq!(report["diagnostics"][0]["code"], "W0616");
    let notes = report["notes"].as_array().unwrap();
    assert!(notes.iter().any(|note| note.as_str().unwrap().starts_with(said)));
    assert!(clean(&["report", &file]).contains(said));
    let page = folder("notes").join("page.html").display().to_string();
    clean(&["report", &file, "--html", &page]);
    assert!(std::fs::read_to_string(page).unwrap().contains(said));
}

#[test]
fn errors_are_in_the_one_object_too() {
    let file = folder("keys_of_errors").join("program.nmc");
    std::fs::write(&file, "experiment e { deploy nobody; run for 1 s { step: 0.1 ms } }\n").unwrap();
    for (command, schema) in [("run", "run.schema.json"), ("report", "report.schema.json")] {
        let output = nmc(&[command, &file.display().to_string(), "--json"]);
        assert_eq!(output.status.code(), Some(1));
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(value["diagnostics"][0]["code"], "E0201");
        if command == "run" {
            keeps_to(&value, schema);
        }
    }
}

#[test]
fn the_analog_wire_saves_the_hidden_layers_conversions() {
    let report = json(&["report", &example("mnist_mlp.nmc"), "--json", "--experiment", "best"]);
    let count = |key: &str| -> f64 {
        let counts = report["conversions"][key].as_object().unwrap();
        counts.values().filter_map(Value::as_f64).sum()
    };
    assert!(count("inserted") < count("baseline"));
    assert_eq!(report["conversions"]["elided"]["yao_adc(8)"], 1024.0);
    assert_eq!(report["conversions"]["elided"]["pulse_width(8)"], 256.0);
    let objective = &report["objective"];
    let of = |key: &str| objective[key].as_f64().unwrap();
    assert!(of("value") <= of("convert_everywhere") && of("value") <= of("greedy") && of("lower_bound") <= of("value"));
}

/// Without common lines the hidden layer is converted, and the report says what would change that.
#[test]
fn one_array_a_core_is_converted_and_the_report_says_why() {
    let file = example("one_array_a_core.nmc");
    let report = json(&["report", &file, "--json"]);
    let wires = report["wires"].as_array().unwrap();
    let hidden = wires.iter().find(|wire| wire["from"] == "hidden").unwrap();
    assert_eq!((&hidden["domain"], &hidden["converter"]), (&"bits".into(), &"yao_hold, yao_adc(8)".into()));
    let remedy = hidden["remedy"].as_str().unwrap();
    assert!(remedy.contains("arrays"), "{remedy}");
    assert!(clean(&["report", &file]).contains(&format!("to go without: {remedy}")));
}
