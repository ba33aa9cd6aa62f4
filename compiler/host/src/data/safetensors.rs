//! safetensors: a header in JSON, then the numbers of every tensor.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use nmc_compiler::files::{DataFile, Stored};
use nmc_program::{Tensor, TensorData};
use npyz::half::f16;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::{numbers, open, unreadable};

/// A header is shorter.
const LONGEST_HEADER: u64 = 100_000_000;

/// Every tensor under its name.
pub fn read(file: &Path) -> Result<DataFile, String> {
    let broken = |error: &dyn std::fmt::Display| format!("it is no whole safetensors file ({error})");
    let mut input = open(file)?;
    let size = file.metadata().map_err(|error| error.to_string())?.len();
    let mut length = [0; 8];
    input.read_exact(&mut length).map_err(|error| broken(&error))?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER.min(size) {
        return Err(broken(&"its header is longer than the file"));
    }
    let mut header = Vec::new();
    input.take(length).read_to_end(&mut header).map_err(|error| error.to_string())?;
    let header: Metadata = serde_json::from_slice(&header).map_err(|error| broken(&error))?;
    let start = 8 + length;
    let end = header.tensors().values().map(|tensor| tensor.data_offsets.1 as u64).max().unwrap_or(0);
    if start.checked_add(end) != Some(size) {
        return Err(broken(&format!("its header tells of {end} bytes, {} follow it", size.saturating_sub(start))));
    }
    let mut metadata: Vec<(String, String)> = header.metadata().clone().unwrap_or_default().into_iter().collect();
    metadata.sort();
    let mut arrays = Vec::new();
    for (name, info) in header.tensors() {
        let (file, info, read) = (file.to_path_buf(), info.clone(), name.clone());
        arrays.push(Stored::new(name, Ok(info.shape.clone()), move || {
            let named = |problem: String| unreadable(&file, &format!("tensor `{read}`: {problem}"));
            tensor(&file, start, &info, &read).map_err(named)
        }));
    }
    arrays.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(DataFile { arrays, metadata })
}

// Types of numbers may be added to the format.
#[allow(clippy::wildcard_enum_match_arm)]
fn tensor(file: &Path, start: u64, info: &TensorInfo, name: &str) -> Result<Tensor, String> {
    let problem = |error: std::io::Error| error.to_string();
    let shape: Vec<u64> = info.shape.iter().map(|&size| size as u64).collect();
    numbers(&shape, info.dtype.bitsize().div_ceil(8))?;
    let mut input = open(file)?;
    input.seek(SeekFrom::Start(start + info.data_offsets.0 as u64)).map_err(problem)?;
    let mut raw = Vec::new();
    let bytes = info.data_offsets.1 - info.data_offsets.0;
    if input.take(bytes as u64).read_to_end(&mut raw).map_err(problem)? != bytes {
        return Err(String::from("the file has become shorter"));
    }
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
    let data = match info.dtype {
        Dtype::U8 | Dtype::BOOL => TensorData::U8(raw),
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
        Dtype::F16 => values!(u16, F32, |bits| f16::from_bits(bits).to_f32()),
        other => return Err(format!("numbers of type {other:?} are not supported")),
    };
    Ok(Tensor { name: name.to_string(), shape: info.shape.clone(), data })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use npyz::WriterBuilder;
    use safetensors::tensor::TensorView;

    use super::*;

    /// Oracle: the examples of IEEE 754's binary16. In safetensors and npy alike.
    #[test]
    fn numbers_of_half_precision_are_read() {
        let known: [(u16, f32); 9] = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 6.103_515_6e-5),
            (0x0001, 5.960_464_5e-8),
            (0x3555, 0.333_251_95),
            (0x0000, 0.0),
            (0x8000, -0.0),
            (0x7c00, f32::INFINITY),
        ];
        let folder = std::env::temp_dir().join(format!("nmc-half-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let bytes: Vec<u8> = known.iter().flat_map(|(bits, _)| bits.to_le_bytes()).collect();
        let view = TensorView::new(Dtype::F16, vec![known.len()], &bytes).unwrap();
        let stored = safetensors::serialize(HashMap::from([("h", view)]), None).unwrap();
        let (file, array) = (folder.join("half.safetensors"), folder.join("half.npy"));
        std::fs::write(&file, stored).unwrap();
        let mut written = Vec::new();
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(&[9]).writer(&mut written).begin_nd().unwrap();
        writer.extend(known.iter().map(|(bits, _)| f16::from_bits(*bits))).unwrap();
        writer.finish().unwrap();
        std::fs::write(&array, written).unwrap();
        for read in [read(&file), super::super::numpy::npy(&array)] {
            let tensor = read.unwrap().arrays[0].tensor().unwrap();
            let TensorData::F32(values) = &tensor.data else { panic!("single precision holds them") };
            known.iter().zip(values).for_each(|((_, known), read)| assert_eq!(known.to_bits(), read.to_bits()));
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
