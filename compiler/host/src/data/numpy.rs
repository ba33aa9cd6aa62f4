//! npy and npz, in either order of storage; types of up to 64 bits.

use std::io::{BufReader, Read};
use std::path::Path;

use nmc_compiler::files::{DataFile, Stored};
use nmc_program::{Tensor, TensorData};
use npyz::half::f16;
use npyz::npz::{NpzArchive, file_name_from_array_name};
use npyz::{DType, NpyFile, NpyHeader, Order, TypeChar};

use super::{numbers, open, unreadable};

/// A header is shorter.
const LONGEST_HEADER: u64 = 1 << 20;

/// Every array under its name. The archive's index stands at its end: a truncated file has none.
pub fn npz(file: &Path) -> Result<DataFile, String> {
    let broken = |error: std::io::Error| format!("it is no whole npz archive ({error})");
    let mut archive = NpzArchive::new(open(file)?).map_err(broken)?;
    let mut names: Vec<String> = archive.array_names().map(String::from).collect();
    names.sort();
    let mut arrays = Vec::new();
    for name in names {
        let shape =
            member(&mut archive, &name, |mut member, size| header(&mut member, size).map(|header| sizes(&header)));
        let (shape, file, read) =
            (shape.map_err(|problem| unreadable(file, &problem)), file.to_path_buf(), name.clone());
        arrays.push(Stored::new(name, shape, move || {
            let archive = open(&file).and_then(|input| NpzArchive::new(input).map_err(broken));
            let tensor =
                archive.and_then(|mut archive| member(&mut archive, &read, |input, size| tensor(input, size, &read)));
            tensor.map_err(|problem| unreadable(&file, &problem))
        }));
    }
    Ok(DataFile { arrays, metadata: Vec::new() })
}

/// One array of an archive and how many bytes it says it has; `problem` names the array.
fn member<T>(
    archive: &mut NpzArchive<BufReader<std::fs::File>>,
    name: &str,
    read: impl FnOnce(&mut dyn Read, u64) -> Result<T, String>,
) -> Result<T, String> {
    let problem = |problem: &dyn std::fmt::Display| format!("array `{name}`: {problem}");
    let member = archive.zip_archive().by_name(&file_name_from_array_name(name));
    let mut member = member.map_err(|error| problem(&error))?;
    let size = member.size();
    read(&mut BufReader::with_capacity(1 << 16, &mut member), size).map_err(|error| problem(&error))
}

/// The one array, nameless.
pub fn npy(file: &Path) -> Result<DataFile, String> {
    let size = |file: &Path| file.metadata().map(|about| about.len()).map_err(|error| error.to_string());
    let shape = sizes(&header(&mut open(file)?, size(file)?)?);
    let file = file.to_path_buf();
    let stored = Stored::new(String::new(), Ok(shape), move || {
        let tensor = open(&file).and_then(|mut input| tensor(&mut input, size(&file)?, ""));
        tensor.map_err(|problem| unreadable(&file, &problem))
    });
    Ok(DataFile { arrays: vec![stored], metadata: Vec::new() })
}

fn sizes(header: &NpyHeader) -> Vec<usize> {
    header.shape().iter().map(|&size| size as usize).collect()
}

/// What stands before the numbers, which must be as many bytes as there are in `size` all in all.
fn header(input: &mut dyn Read, size: u64) -> Result<NpyHeader, String> {
    let mut input = input.take(LONGEST_HEADER);
    let header = NpyHeader::from_reader(&mut input).map_err(|error| format!("it is no npy file ({error})"))?;
    let DType::Plain(kind) = header.dtype() else { return Err(String::from("it holds records, not numbers")) };
    let each = kind.num_bytes().filter(|_| kind.type_char() != TypeChar::Object);
    let each = each.ok_or_else(|| String::from("it holds Python objects, not numbers"))?;
    let (said, there) =
        (numbers(header.shape(), each)? * each as u64, size.saturating_sub(LONGEST_HEADER - input.limit()));
    if said != there {
        let shape = header.shape();
        return Err(format!("it is damaged or cut off: {shape:?} are {said} bytes, {there} are there"));
    }
    Ok(header)
}

/// The numbers, to the very end of the input, where an archive compares its check sum.
fn tensor(input: &mut dyn Read, size: u64, name: &str) -> Result<Tensor, String> {
    let header = header(input, size)?;
    let (shape, order) = (sizes(&header), header.order());
    let data = values(NpyFile::with_header(header, &mut *input))?;
    let broken = |error: std::io::Error| format!("it is damaged or cut off ({error})");
    if input.read(&mut [0]).map_err(broken)? > 0 {
        return Err(String::from("it is longer than it says"));
    }
    let data = if order == Order::Fortran && shape.len() > 1 { by_rows(&data, &shape) } else { data };
    Ok(Tensor { name: name.to_string(), shape, data })
}

fn values<R: Read>(array: NpyFile<R>) -> Result<TensorData, String> {
    let DType::Plain(kind) = array.dtype() else { return Err(String::from("it holds records, not numbers")) };
    let broken = |error: std::io::Error| format!("it is damaged or cut off ({error})");
    macro_rules! values {
        ($from:ty, $to:ident, $map:expr) => {
            TensorData::$to(array.into_vec::<$from>().map_err(broken)?.into_iter().map($map).collect())
        };
    }
    Ok(match (kind.type_char(), kind.size_field()) {
        (TypeChar::Bool, 1) => values!(bool, U8, u8::from),
        (TypeChar::Uint, 1) => values!(u8, U8, |x| x),
        (TypeChar::Int, 1) => values!(i8, I64, i64::from),
        (TypeChar::Int, 2) => values!(i16, I64, i64::from),
        (TypeChar::Uint, 2) => values!(u16, I64, i64::from),
        (TypeChar::Int, 4) => values!(i32, I64, i64::from),
        (TypeChar::Uint, 4) => values!(u32, I64, i64::from),
        (TypeChar::Int, 8) => values!(i64, I64, |x| x),
        (TypeChar::Uint, 8) => values!(u64, F64, |x| x as f64),
        (TypeChar::Float, 2) => values!(f16, F32, f32::from),
        (TypeChar::Float, 4) => values!(f32, F32, |x| x),
        (TypeChar::Float, 8) => values!(f64, F64, |x| x),
        (other, size) => return Err(format!("numbers of type {other:?} with {size} bytes are not supported")),
    })
}

/// What is stored column by column (the first axis runs fastest), row by row.
fn by_rows(data: &TensorData, shape: &[usize]) -> TensorData {
    fn moved<T: Copy>(values: &[T], shape: &[usize]) -> Vec<T> {
        let strides: Vec<usize> =
            shape.iter().scan(1, |step, &size| Some(std::mem::replace(step, *step * size))).collect();
        let mut at = vec![0; shape.len()];
        let mut from = 0;
        let next = |_| {
            let value = values[from];
            for axis in (0..shape.len()).rev() {
                at[axis] += 1;
                from += strides[axis];
                if at[axis] < shape[axis] {
                    break;
                }
                from -= strides[axis] * shape[axis];
                at[axis] = 0;
            }
            value
        };
        (0..values.len()).map(next).collect()
    }
    match data {
        TensorData::U8(values) => TensorData::U8(moved(values, shape)),
        TensorData::I64(values) => TensorData::I64(moved(values, shape)),
        TensorData::F32(values) => TensorData::F32(moved(values, shape)),
        TensorData::F64(values) => TensorData::F64(moved(values, shape)),
    }
}
