//! Numbers of a model that lie in a file beside it, as the specification says: `location`, and from `offset` on `length` bytes.

use std::collections::BTreeMap;

use onnx_rs::ast::{DataType, TensorProto};

use super::graph::{Constant, Problem, damaged};
use crate::layers::Array;

/// The bytes of a file that the model names, or why there are none.
pub type Beside<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, String>;

/// The files beside a model, each read once.
pub struct Files<'a> {
    beside: Beside<'a>,
    known: BTreeMap<String, Vec<u8>>,
}

impl<'a> Files<'a> {
    pub fn of(beside: Beside<'a>) -> Self {
        Files { beside, known: BTreeMap::new() }
    }

    /// The numbers of a tensor of this shape, with so many elements.
    pub fn constant(&mut self, tensor: &TensorProto, shape: Vec<usize>, len: usize) -> Result<Constant, Problem> {
        let name = tensor.name();
        let entry = |key: &str| tensor.external_data().iter().find(|entry| entry.key == key).map(|entry| entry.value);
        let location = entry("location").unwrap_or_default();
        let number = |key: &str| match entry(key) {
            None => Ok(None),
            Some(told) => match told.parse::<usize>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(damaged(format!("the {key} of `{name}` in `{location}` is `{told}`"))),
            },
        };
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        if !self.known.contains_key(location) {
            let why = |why: String| damaged(format!("the numbers of `{name}` lie in `{location}` beside it: {why}"));
            self.known.insert(location.to_string(), (self.beside)(location).map_err(why)?);
        }
        let all = &self.known[location];
        let end = length.map_or(Some(all.len()), |length| offset.checked_add(length));
        let Some(bytes) = end.and_then(|end| all.get(offset..end)) else {
            return Err(damaged(format!("`{location}` is cut: with {} bytes it ends before `{name}` does", all.len())));
        };
        let held = tensor.data_type();
        let each = if held == DataType::Float {
            4
        } else if held == DataType::Double || held == DataType::Int64 {
            8
        } else {
            return Err(damaged(format!("`{name}` holds {held:?}, not float or double")));
        };
        if len.checked_mul(each) != Some(bytes.len()) {
            let message = format!("`{name}` is {shape:?}, but has {} bytes in `{location}`", bytes.len());
            return Err(damaged(message));
        }
        let eight = || bytes.as_chunks::<8>().0.iter();
        if held == DataType::Int64 {
            return Ok(Constant::Integers(eight().map(|bytes| i64::from_le_bytes(*bytes)).collect()));
        }
        let values = if held == DataType::Double {
            eight().map(|bytes| f64::from_le_bytes(*bytes)).collect()
        } else {
            bytes.as_chunks::<4>().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect()
        };
        Ok(Constant::Floats(Array { name: name.to_string(), shape, values }))
    }
}
