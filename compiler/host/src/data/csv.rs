//! csv: columns of numbers under a line of names, or one nameless matrix.

use std::io::Read;
use std::path::Path;

use nmc_compiler::files::DataFile;
use nmc_program::{Tensor, TensorData};

use super::open;

/// Reads a whole file.
pub fn read(file: &Path) -> Result<DataFile, String> {
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
        return Ok(DataFile::of([(String::new(), tensor)]));
    }
    let column = |at: usize| (0..height).map(|row| values[row * width + at]).collect();
    let arrays = first.iter().enumerate().map(|(at, name)| {
        let tensor = Tensor { name: (*name).to_string(), shape: vec![height], data: TensorData::F64(column(at)) };
        ((*name).to_string(), tensor)
    });
    Ok(DataFile::of(arrays))
}
