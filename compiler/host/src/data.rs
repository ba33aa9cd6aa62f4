//! Data files: npz, npy, safetensors and csv to arrays. What is wrong with a file is one sentence.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use nmc_compiler::files::{DataFile, FileProblem};
use nmc_program::{Tensor, TensorData};
use npyz::{DType, NpyFile, TypeChar};
use safetensors::{Dtype, SafeTensors};

/// The most numbers an array may have.
const MOST_NUMBERS: u64 = 1 << 31;

/// Reads a data file by the end of its name.
pub fn read(file: &Path) -> Result<DataFile, FileProblem> {
    let shown = file.display();
    if !file.exists() {
        return Err(FileProblem::NotFound(format!("there is no file {shown}")));
    }
    let kind = file.extension().map_or_else(String::new, |end| end.to_string_lossy().to_lowercase());
    let read = match kind.as_str() {
        "npz" => npz(file),
        "npy" => open(file).and_then(|input| npy(input, "")).map(|tensor| only(vec![(String::new(), tensor)])),
        "safetensors" => safetensors(file),
        "csv" => csv(file),
        _ => Err(String::from("its name must end in npz, npy, safetensors or csv")),
    };
    read.map_err(|problem| FileProblem::Unreadable(format!("{shown} cannot be read: {problem}")))
}

fn only(arrays: Vec<(String, Tensor)>) -> DataFile {
    DataFile { arrays, metadata: Vec::new() }
}

fn open(file: &Path) -> Result<BufReader<File>, String> {
    let problem = |error: std::io::Error| error.to_string();
    if file.metadata().map_err(problem)?.is_dir() {
        return Err(String::from("it is a folder"));
    }
    File::open(file).map(BufReader::new).map_err(problem)
}

fn npz(file: &Path) -> Result<DataFile, String> {
    // The archive's index stands at its end: a truncated file has none.
    let broken = |error: std::io::Error| format!("it is no whole npz archive ({error})");
    let mut archive = npyz::npz::NpzArchive::new(open(file)?).map_err(broken)?;
    let mut names: Vec<String> = archive.array_names().map(String::from).collect();
    names.sort();
    let mut arrays = Vec::new();
    for name in names {
        let problem = |error: &dyn std::fmt::Display| format!("array `{name}`: {error}");
        // To its very end, where its check sum is compared.
        let mut bytes = Vec::new();
        let member = archive.zip_archive().by_name(&npyz::npz::file_name_from_array_name(&name));
        member.map_err(|error| problem(&error))?.read_to_end(&mut bytes).map_err(|error| problem(&error))?;
        arrays.push((name.clone(), npy(bytes.as_slice(), &name).map_err(|error| problem(&error))?));
    }
    Ok(only(arrays))
}

fn npy(input: impl Read, name: &str) -> Result<Tensor, String> {
    numbers(NpyFile::new(input).map_err(|error| format!("it is no npy file ({error})"))?, name)
}

fn numbers<R: Read>(array: NpyFile<R>, name: &str) -> Result<Tensor, String> {
    let shape: Vec<u64> = array.shape().to_vec();
    let len = shape.iter().try_fold(1_u64, |product, &size| product.checked_mul(size));
    if len.is_none_or(|len| len > MOST_NUMBERS) {
        return Err(format!("{shape:?} are more numbers than can be held"));
    }
    if array.order() != npyz::Order::C && shape.len() > 1 {
        return Err(String::from("it is stored column by column; save it with numpy.ascontiguousarray"));
    }
    let DType::Plain(kind) = array.dtype() else {
        return Err(String::from("it holds records, not numbers"));
    };
    let broken = |error: std::io::Error| format!("it is damaged or cut off ({error})");
    macro_rules! values {
        ($from:ty, $to:ident, $map:expr) => {
            TensorData::$to(array.into_vec::<$from>().map_err(broken)?.into_iter().map($map).collect())
        };
    }
    let data = match (kind.type_char(), kind.size_field()) {
        (TypeChar::Bool, 1) => values!(bool, U8, u8::from),
        (TypeChar::Uint, 1) => values!(u8, U8, |x| x),
        (TypeChar::Int, 1) => values!(i8, I64, i64::from),
        (TypeChar::Int, 2) => values!(i16, I64, i64::from),
        (TypeChar::Uint, 2) => values!(u16, I64, i64::from),
        (TypeChar::Int, 4) => values!(i32, I64, i64::from),
        (TypeChar::Uint, 4) => values!(u32, I64, i64::from),
        (TypeChar::Int, 8) => values!(i64, I64, |x| x),
        (TypeChar::Uint, 8) => values!(u64, F64, |x| x as f64),
        (TypeChar::Float, 4) => values!(f32, F32, |x| x),
        (TypeChar::Float, 8) => values!(f64, F64, |x| x),
        (other, size) => return Err(format!("numbers of type {other:?} with {size} bytes are not supported")),
    };
    let shape = shape.into_iter().map(|size| size as usize).collect();
    Ok(Tensor { name: name.to_string(), shape, data })
}

// Types of numbers may be added to the format.
#[allow(clippy::wildcard_enum_match_arm)]
fn safetensors(file: &Path) -> Result<DataFile, String> {
    let mut bytes = Vec::new();
    open(file)?.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let broken = |error: safetensors::SafeTensorError| format!("it is no whole safetensors file ({error})");
    let (_, head) = SafeTensors::read_metadata(&bytes).map_err(broken)?;
    let mut metadata: Vec<(String, String)> = head.metadata().clone().unwrap_or_default().into_iter().collect();
    metadata.sort();
    let tensors = SafeTensors::deserialize(&bytes).map_err(broken)?;
    let mut arrays = Vec::new();
    for (name, view) in tensors.iter() {
        let raw = view.data();
        macro_rules! values {
            ($type:ty, $to:ident, $map:expr) => {
                TensorData::$to(
                    raw.as_chunks::<{ size_of::<$type>() }>()
                        .0
                        .iter()
                        .map(|x| <$type>::from_le_bytes(*x))
                        .map($map)
                        .collect(),
                )
            };
        }
        let data = match view.dtype() {
            Dtype::U8 | Dtype::BOOL => TensorData::U8(raw.to_vec()),
            Dtype::I8 => values!(i8, I64, i64::from),
            Dtype::I16 => values!(i16, I64, i64::from),
            Dtype::U16 => values!(u16, I64, i64::from),
            Dtype::I32 => values!(i32, I64, i64::from),
            Dtype::U32 => values!(u32, I64, i64::from),
            Dtype::I64 => values!(i64, I64, |x| x),
            Dtype::F32 => values!(f32, F32, |x| x),
            Dtype::F64 => values!(f64, F64, |x| x),
            // The upper half of a single-precision number.
            Dtype::BF16 => values!(u16, F32, |x| f32::from_bits(u32::from(x) << 16)),
            other => return Err(format!("tensor `{name}`: numbers of type {other:?} are not supported")),
        };
        let tensor = Tensor { name: name.to_string(), shape: view.shape().to_vec(), data };
        arrays.push((name.to_string(), tensor));
    }
    arrays.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(DataFile { arrays, metadata })
}

/// Columns of numbers under a line of names, or one nameless matrix.
fn csv(file: &Path) -> Result<DataFile, String> {
    let mut text = String::new();
    open(file)?.read_to_string(&mut text).map_err(|error| error.to_string())?;
    let rows: Vec<(usize, Vec<&str>)> = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(at, line)| (at + 1, line.split(',').map(str::trim).collect()))
        .collect();
    let Some((_, first)) = rows.first() else { return Err(String::from("it is empty")) };
    let headed = first.iter().any(|word| word.parse::<f64>().is_err());
    let width = first.len();
    let mut values = Vec::new();
    for (at, row) in &rows[usize::from(headed)..] {
        if row.len() != width {
            return Err(format!("line {at} has {} columns, the first has {width}", row.len()));
        }
        for word in row {
            values.push(word.parse::<f64>().map_err(|_| format!("line {at}: `{word}` is no number"))?);
        }
    }
    let height = values.len() / width;
    if !headed {
        let tensor = Tensor { name: String::new(), shape: vec![height, width], data: TensorData::F64(values) };
        return Ok(only(vec![(String::new(), tensor)]));
    }
    let column = |at: usize| (0..height).map(|row| values[row * width + at]).collect();
    let arrays = first.iter().enumerate().map(|(at, name)| {
        let tensor = Tensor { name: (*name).to_string(), shape: vec![height], data: TensorData::F64(column(at)) };
        ((*name).to_string(), tensor)
    });
    Ok(only(arrays.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, bytes: &[u8]) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("nmc-data-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(name);
        std::fs::write(&file, bytes).unwrap();
        file
    }

    fn example(name: &str) -> Vec<u8> {
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data").join(name)).unwrap()
    }

    #[test]
    fn whole_files_are_read_and_cut_ones_refused() {
        for (name, array, shape) in
            [("digits_mlp.npz", "w1", vec![64, 32]), ("mnist_mlp.safetensors", "fc1.weight", vec![256, 784])]
        {
            let bytes = example(name);
            let file = read(&written(name, &bytes)).unwrap();
            let (_, tensor) = file.arrays.iter().find(|(other, _)| other == array).unwrap();
            assert_eq!((&tensor.shape, tensor.data.len()), (&shape, shape.iter().product()));
            for keep in [0, 1, 7, 100, bytes.len() / 2, bytes.len() - 1] {
                let cut = read(&written(&format!("cut{keep}_{name}"), &bytes[..keep]));
                assert!(matches!(cut, Err(FileProblem::Unreadable(_))), "{name} cut to {keep}");
            }
            // A byte changed anywhere gives another array or a sentence, never a panic.
            for at in (0..bytes.len()).step_by(bytes.len() / 40) {
                let mut changed = bytes.clone();
                changed[at] ^= 0xff;
                let _ = read(&written(&format!("changed_{name}"), &changed));
            }
        }
    }

    #[test]
    fn csv_has_columns_or_a_matrix() {
        let named = read(&written("a.csv", b"t, v\n1, 2\n3, 4\n")).unwrap();
        assert_eq!(named.arrays[1].1.data, TensorData::F64(vec![2.0, 4.0]));
        let matrix = read(&written("b.csv", b"1,2\n3,4\n")).unwrap();
        assert_eq!(matrix.arrays[0].1.shape, [2, 2]);
        assert!(matches!(read(&written("c.csv", b"1,2\n3\n")), Err(FileProblem::Unreadable(_))));
        assert!(matches!(read(Path::new("/nowhere.npz")), Err(FileProblem::NotFound(_))));
    }
}
