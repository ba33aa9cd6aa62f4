//! Recordings as npz files, one each, and learned weights as safetensors, for `--out`.

use std::collections::BTreeSet;
use std::io::{Cursor, Error};

use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::{Program, Tensor};
use nmc_runtime::{Recorded, Recording, Results};
use npyz::npz::NpzWriter;
use npyz::zip::write::FileOptions;
use npyz::zip::{CompressionMethod, DateTime};
use npyz::{AutoSerialize, WriterBuilder};
use safetensors::tensor::{Dtype, SafeTensorError, TensorView, serialize};

use crate::disk::{NewFolder, cannot_write};

/// A file written.
pub struct Output {
    /// `exc.v`
    pub name: String,
    /// `spikes`, `values`, `synapses`, `histogram` or `weights`: which arrays it has.
    pub kind: &'static str,
    /// Of the values: `V`.
    pub unit: String,
    /// First and past-last element of the population, where it is of one.
    pub elements: Option<(usize, usize)>,
    /// Within the folder: `coba/exc.v.npz`.
    pub file: String,
}

/// Every recording of an experiment, in a folder of its name.
pub fn save(folder: &mut NewFolder, program: &Program, results: &Results) -> Result<Vec<Output>, Diagnostic> {
    let (mut outputs, mut taken) = (Vec::new(), BTreeSet::new());
    for recording in &results.recordings {
        let stem = format!("{}/{}", plain(&program.name), plain(&recording.name));
        let mut file = format!("{stem}.npz");
        let mut number = 1;
        // Two probes may record parts of the same signal.
        while !taken.insert(file.clone()) {
            number += 1;
            file = format!("{stem}_{number}.npz");
        }
        let (kind, bytes) = npz(recording).map_err(|error| cannot_write(file.as_ref(), &error))?;
        folder.add(&file, &bytes)?;
        let (name, unit) = (recording.name.clone(), recording.unit.clone());
        outputs.push(Output { name, kind, unit, elements: recording.elements, file });
    }
    if !results.learned.is_empty() {
        let file = format!("{}/learned.safetensors", plain(&program.name));
        let bytes = safetensors(&results.learned).map_err(|error| cannot_write(file.as_ref(), &error))?;
        folder.add(&file, &bytes)?;
        outputs.push(Output {
            name: String::from("learned"),
            kind: "weights",
            unit: String::new(),
            elements: None,
            file,
        });
    }
    Ok(outputs)
}

/// In single precision, as `load` takes them.
fn safetensors(tensors: &[Tensor]) -> Result<Vec<u8>, Error> {
    let single =
        |tensor: &Tensor| (0..tensor.data.len()).flat_map(|i| (tensor.data.get(i) as f32).to_le_bytes()).collect();
    let bytes: Vec<Vec<u8>> = tensors.iter().map(single).collect();
    let views = tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)?;
        Ok((tensor.name.clone(), view))
    });
    let views: Result<Vec<_>, SafeTensorError> = views.collect();
    views.and_then(|views| serialize(views, None)).map_err(Error::other)
}

/// A name that any file system takes.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || "._-[]".contains(c) { c } else { '_' }).collect()
}

/// The arrays of a recording: spikes as `neuron` and `step` (and `dt`), values as `values` [time, element], `time` and `index` (of the
/// elements in their population), synapses as `source`, `target`, `time` and `values` [time, synapse], histograms as `time`, `counts`
/// [time, bin] and `edges` [time, bin + 1].
fn npz(recording: &Recording) -> Result<(&'static str, Vec<u8>), Error> {
    let mut archive = Archive(NpzWriter::new(Cursor::new(Vec::new())));
    let kind = match &recording.values {
        Recorded::Spikes { neuron, step, dt } => {
            archive.add("neuron", &[neuron.len()], neuron)?;
            archive.add("step", &[step.len()], step)?;
            archive.add("dt", &[], &[*dt])?;
            "spikes"
        }
        Recorded::Values { times, elements, data } => {
            archive.add("time", &[times.len()], times)?;
            archive.add("values", &[times.len(), *elements], data)?;
            if let Some((first, end)) = recording.elements.filter(|(first, end)| end - first == *elements) {
                let index: Vec<u64> = (first as u64..end as u64).collect();
                archive.add("index", &[index.len()], &index)?;
            }
            "values"
        }
        Recorded::Synapses { source, target, times, data } => {
            archive.add("source", &[source.len()], source)?;
            archive.add("target", &[target.len()], target)?;
            archive.add("time", &[times.len()], times)?;
            archive.add("values", &[times.len(), source.len()], data)?;
            "synapses"
        }
        Recorded::Histogram { times, bins, counts, edges } => {
            archive.add("time", &[times.len()], times)?;
            archive.add("counts", &[times.len(), *bins], counts)?;
            archive.add("edges", &[times.len(), bins + 1], edges)?;
            "histogram"
        }
    };
    Ok((kind, archive.0.zip_writer().finish()?.into_inner()))
}

struct Archive(NpzWriter<Cursor<Vec<u8>>>);

impl Archive {
    fn add<T: AutoSerialize + Copy>(&mut self, name: &str, shape: &[usize], values: &[T]) -> Result<(), Error> {
        let shape: Vec<u64> = shape.iter().map(|&size| size as u64).collect();
        // Without a time of writing: the same run gives the same bytes.
        let large = size_of_val(values) as u64 >= u64::from(u32::MAX) / 2;
        let options = FileOptions::default().compression_method(CompressionMethod::Stored).large_file(large);
        let options = options.last_modified_time(DateTime::default());
        let mut array = self.0.array(name, options)?.default_dtype().shape(&shape).begin_nd()?;
        array.extend(values.iter().copied())?;
        array.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_read_back() {
        let values = Recorded::Values { times: vec![0.0, 0.5], elements: 3, data: vec![1., 2., 3., 4., 5., 6.] };
        let (name, unit) = (String::from("a/b"), String::from("V"));
        let (kind, bytes) = npz(&Recording { name, unit, elements: Some((4, 7)), values }).unwrap();
        assert_eq!((kind, plain("a/b").as_str()), ("values", "a_b"));
        let mut archive = npyz::npz::NpzArchive::new(Cursor::new(bytes)).unwrap();
        assert_eq!(archive.zip_archive().by_name("values.npy").unwrap().last_modified().year(), 1980);
        let array = archive.by_name("values").unwrap().unwrap();
        assert_eq!(array.shape(), [2, 3]);
        assert_eq!(array.into_vec::<f64>().unwrap(), [1., 2., 3., 4., 5., 6.]);
        let index = archive.by_name("index").unwrap().unwrap();
        assert_eq!(index.into_vec::<u64>().unwrap(), [4, 5, 6]);
    }
}
