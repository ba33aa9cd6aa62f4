//! wav: sound as `samples` [time, channels], of which 1 is full scale, and its `rate` in samples a second.

use std::path::Path;

use hound::{SampleFormat, WavReader};
use nmc_compiler::files::DataFile;
use nmc_program::{Tensor, TensorData};

use super::{numbers, open};

/// Reads a whole file.
pub fn read(file: &Path) -> Result<DataFile, String> {
    let problem = |error: hound::Error| error.to_string();
    let mut reader = WavReader::new(open(file)?).map_err(problem)?;
    let spec = reader.spec();
    let (len, channels) = (u64::from(reader.duration()), u64::from(spec.channels.max(1)));
    numbers(&[len, channels], size_of::<f32>())?;
    let samples: Result<Vec<f32>, hound::Error> = match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().collect(),
        SampleFormat::Int => {
            let full = (1_i64 << (spec.bits_per_sample.clamp(1, 32) - 1)) as f32;
            reader.samples::<i32>().map(|sample| sample.map(|sample| sample as f32 / full)).collect()
        }
    };
    let samples = samples.map_err(problem)?;
    let shape = vec![samples.len() / channels as usize, channels as usize];
    let rate = TensorData::F64(vec![f64::from(spec.sample_rate)]);
    let arrays = [("samples", shape, TensorData::F32(samples)), ("rate", Vec::new(), rate)];
    Ok(DataFile::of(arrays.map(|(name, shape, data)| {
        let name = name.to_string();
        (name.clone(), Tensor { name, shape, data })
    })))
}
