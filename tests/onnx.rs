//! Models of other tools: what they compute after import, and what is refused.

use std::path::{Path, PathBuf};

use nmc_grammar::codes::Code;
use nmc_host::disk::{Folder, named_by};
use nmc_host::onnx::import;
use nmc_runtime::EngineKind;
use nmc_tests::dice::Dice;
use nmc_tests::values;
use onnx_rs::ast::{
    Dimension, Graph, Model, Node, OpType, OperatorSetId, TensorProto, TensorShape, TensorShapeDimension,
    TensorTypeProto, TypeProto, TypeValue, ValueInfo,
};

fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("reference/data").join(file)
}

/// Of models that hold all of their numbers.
fn alone(file: &str) -> Result<Vec<u8>, String> {
    panic!("{file} is asked for")
}

/// ONNX Runtime's outputs (reference/data/onnx_models.py), to 1e-5.
#[track_caller]
fn gives(model: &str, input: &str, outputs: &[&str]) {
    let path = data(&format!("{model}.onnx"));
    let bytes = std::fs::read(&path).unwrap();
    let beside = |file: &str| named_by(&path, file);
    let made = import(&bytes, "model.onnx", "model", "model.safetensors", &beside).unwrap();
    assert_eq!(nmc_grammar::format(&made.program).unwrap(), made.program);
    let folder = std::env::temp_dir().join(format!("nmc-{model}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("model.safetensors"), &made.weights).unwrap();
    std::fs::copy(data(&format!("{model}.npz")), folder.join("data.npz")).unwrap();
    let text = format!(
        "{}\nexperiment e {{ deploy model; data d = load(\"data.npz\"); test {{ {input}: d.x }} measure m = mean({}) }}",
        made.program, outputs[0]
    );
    let results = nmc_tests::run("model.nmc", &text, &Folder::of(&folder.join("model.nmc")), EngineKind::Jit);
    let wanted = nmc_host::data::read(&folder.join("data.npz")).unwrap();
    for (number, output) in outputs.iter().enumerate() {
        let wanted = wanted.arrays.iter().find(|stored| stored.name == format!("y{number}")).unwrap().tensor().unwrap();
        let found = values(&results[0], output);
        assert_eq!(found.len(), wanted.data.len());
        for (index, found) in found.iter().enumerate() {
            let wanted = wanted.data.get(index);
            assert!((found - wanted).abs() < 1e-5 * wanted.abs().max(1.0), "{output}, {index}: {found} for {wanted}");
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Strides, pads, groups and dilations, pools, batch normalisation before and behind a sum, residual sum, concat, mean of all, product
/// with a bias added.
#[test]
fn convolutional_models_give_what_onnx_runtime_gives() {
    gives("onnx_residual", "x", &["y"]);
    gives("onnx_mnist_cnn", "image", &["class"]);
}

/// Weights either way round, signals and numbers put together, shares by softmax, two outputs.
#[test]
fn perceptrons_give_what_onnx_runtime_gives() {
    gives("onnx_perceptron", "x", &["output", "z"]);
}

/// Strides, pads and kernels that differ along rows and columns, windows that fill the image or begin in it, biases and scales of channels
/// that stand alone, images that are not square (reference/data/onnx_operators.py).
#[test]
fn windows_give_what_onnx_runtime_gives() {
    gives("onnx_windows", "x", &["y"]);
    gives("onnx_lines", "x", &["y"]);
}

/// Channels times a share of each, by convolutions and by layers (reference/data/onnx_excite.py).
#[test]
fn channels_are_weighed_as_onnx_runtime_does() {
    gives("onnx_excite", "x", &["y"]);
}

/// The largest of a vector, the first of equals (reference/data/onnx_excite.py).
#[test]
fn the_largest_alone_is_taken_as_onnx_runtime_does() {
    gives("onnx_hardmax", "x", &["y"]);
}

/// Samples that are normalised by their own mean and variance: as one operator, with a scale and a shift or without, and as those it is made of
/// (reference/data/onnx_layer_norm.py).
#[test]
fn layers_are_normalised_as_onnx_runtime_does() {
    gives("onnx_layer_norm", "x", &["y"]);
}

/// Functions of elements, constants on either side, normalisation before the first layer, slices and parts, joins by the last axis.
#[test]
fn functions_give_what_onnx_runtime_gives() {
    gives("onnx_functions", "x", &["y"]);
}

/// Loops: two layers one upon the other, last steps and last states, resets before and after the product, rectifiers.
#[test]
fn recurrent_models_give_what_onnx_runtime_gives() {
    gives("onnx_lstm", "x", &["y"]);
    gives("onnx_gru", "x", &["y"]);
    gives("onnx_loops", "x", &["y"]);
}

#[test]
fn cut_files_are_refused_and_damaged_ones_end() {
    for model in ["onnx_residual.onnx", "onnx_loops.onnx", "onnx_lstm.onnx"] {
        let bytes = std::fs::read(data(model)).unwrap();
        for len in 0..bytes.len() {
            let refused = import(&bytes[..len], "model.onnx", "m", "m.safetensors", &alone).unwrap_err();
            assert_eq!(refused.code, Code::E0902, "{model} cut to {len} bytes: {}", refused.message);
        }
        let mut dice = Dice::new(7);
        for _ in 0..3000 {
            let mut changed = bytes.clone();
            for _ in 0..1 + dice.below(4) {
                let at = dice.below(changed.len());
                changed[at] = dice.below(256) as u8;
            }
            // Whatever it says, it says something.
            let _ = import(&changed, "model.onnx", "m", "m.safetensors", &|_| Err(String::from("none")));
        }
    }
}

/// All operators that cannot be had are told at once, and not what follows from them.
#[test]
fn what_cannot_be_had_is_told_in_one_error() {
    let node = |op, from: &[&'static str], to: &'static str| Node {
        input: from.to_vec(),
        output: vec![to],
        name: to,
        op_type: op,
        ..Node::default()
    };
    let dim = |value| TensorShapeDimension { value, ..Default::default() };
    let shape = TensorShape { dim: vec![dim(Dimension::Param("n")), dim(Dimension::Value(4))] };
    let tensor = TensorTypeProto { shape: Some(shape), ..Default::default() };
    let of = TypeProto { value: Some(TypeValue::Tensor(tensor)), ..Default::default() };
    let port = |name| ValueInfo { name, r#type: Some(of.clone()), ..Default::default() };
    let graph = Graph {
        node: vec![
            node(OpType::LSTM, &["x"], "chances"),
            node(OpType::Relu, &["chances"], "after"),
            node(OpType::Gemm, &["x", "weights"], "layer"),
            node(OpType::Custom("Spike"), &["layer"], "y"),
        ],
        initializer: vec![TensorProto::from_f32("weights", vec![3, 2], vec![0.5; 6])],
        input: vec![port("x")],
        output: vec![port("y")],
        ..Default::default()
    };
    let opset_import = vec![OperatorSetId { domain: "", version: 18 }];
    let model = Model { graph: Some(graph), opset_import, ir_version: 8, ..Default::default() };
    let refused = import(&onnx_rs::encode(&model), "model.onnx", "m", "m.safetensors", &alone).unwrap_err();
    assert_eq!(refused.code, Code::E0908);
    let told: Vec<&str> = refused.message.lines().skip(1).map(str::trim).collect();
    let expected = [
        "Gemm `layer`: weights [2, 3] do not fit a signal of [4] a sample",
        "LSTM `chances`: it takes a sequence that starts with samples, turned to [steps, samples, features]",
    ];
    assert_eq!(told, expected);
}

/// As PyTorch 2.9 writes models by itself: their numbers beside them (reference/data/onnx_external.py). Oracle: ONNX Runtime.
#[test]
fn numbers_may_lie_in_a_file_beside() {
    gives("onnx_external", "x", &["y"]);
}

/// Files that are cut, missing, or elsewhere.
#[test]
fn a_file_beside_is_whole_and_in_the_folder() {
    let bytes = std::fs::read(data("onnx_external.onnx")).unwrap();
    let numbers = std::fs::read(data("onnx_external.onnx.data")).unwrap();
    let refused = |beside: &dyn Fn(&str) -> Result<Vec<u8>, String>| {
        let refused = import(&bytes, "model.onnx", "m", "m.safetensors", beside).unwrap_err();
        assert_eq!(refused.code, Code::E0902);
        refused.message
    };
    for len in 0..numbers.len() {
        let cut = refused(&|file| {
            assert_eq!(file, "onnx_external.onnx.data");
            Ok(numbers[..len].to_vec())
        });
        assert!(cut.contains("`onnx_external.onnx.data` is cut"), "{len}: {cut}");
    }
    let folder = std::env::temp_dir().join(format!("nmc-beside-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("within")).unwrap();
    std::fs::write(folder.join("outside"), "secret").unwrap();
    std::fs::write(folder.join("within/file"), "numbers").unwrap();
    let model = folder.join("within/model.onnx");
    let elsewhere = folder.join("outside");
    for file in ["../outside", "", ".", "/outside", elsewhere.to_str().unwrap()] {
        assert!(named_by(&model, file).is_err(), "{file}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("../outside", folder.join("within/link")).unwrap();
        assert!(named_by(&model, "link").is_err());
    }
    assert_eq!(named_by(&model, "file").unwrap(), b"numbers");
    assert_eq!(named_by(&model, "./file").unwrap(), b"numbers");
    assert!(refused(&|file| named_by(&model, file)).contains("there is no such file"));
    std::fs::remove_dir_all(&folder).unwrap();
}
