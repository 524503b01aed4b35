//! The inference request: `$inference_request` of the protocol, with the binary tensor extension.

use super::{Malformed, binary, cursor::Cursor, elements, number};
use crate::tensor::{Datatype, Excerpt, Shape, Signature, Tensor};

type Read<T> = Result<T, Malformed>;

/// More dimensions than any array library has.
const LARGEST_RANK: usize = 64;

/// What a client asks of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// Echoed in the answer where it was given.
    pub id: Option<String>,
    /// Named tensors, in the order in which they were sent.
    pub inputs: Vec<(String, Tensor)>,
    /// The outputs that are wanted, in this order; none = all, in the model's order.
    pub outputs: Vec<Wanted>,
    /// Whether outputs leave as raw tensors where they do not say otherwise themselves.
    pub binary: bool,
}

/// One output that a client asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The output's name.
    pub name: String,
    /// Whether it leaves as a raw tensor; `None` = as the request says for all.
    pub binary: Option<bool>,
}

impl Request {
    /// Reads a body. `json` is the length of the JSON in front of raw tensors, as the header
    /// `Inference-Header-Content-Length` gives it; without the header the whole body is JSON.
    pub fn parse(body: &[u8], json: Option<usize>) -> Read<Self> {
        let json = json.unwrap_or(body.len());
        let Some((json, mut raw)) = body.split_at_checked(json) else {
            return Err(Malformed::new(format!(
                "Inference-Header-Content-Length is {json}, but the body has {} bytes",
                body.len()
            )));
        };
        let mut request = Self::default();
        let mut given = Given::default();
        let mut cursor = Cursor::new(json);
        cursor.object("an inference request", |cursor, key| match key {
            "id" => {
                given.once(Field::Id)?;
                request.id =
                    if cursor.take_word("null") { None } else { Some(cursor.string()?.into_owned()) };
                Ok(())
            }
            "parameters" => request_parameters(cursor, &mut request.binary),
            "inputs" => {
                given.once(Field::Inputs)?;
                cursor.array("'inputs'", |cursor| {
                    request.inputs.push(input(cursor, &mut raw)?);
                    Ok(())
                })
            }
            "outputs" => {
                given.once(Field::Outputs)?;
                if cursor.take_word("null") {
                    return Ok(());
                }
                cursor.array("'outputs'", |cursor| {
                    request.outputs.push(wanted(cursor)?);
                    Ok(())
                })
            }
            _ => cursor.skip(),
        })?;
        cursor.finish()?;
        if !given.has(Field::Inputs) {
            return Err(Malformed::new("'inputs' is missing: expected an array of input tensors"));
        }
        if !raw.is_empty() {
            return Err(Malformed::new(format!(
                "{} bytes behind the JSON belong to no input: expected the sum of binary_data_size",
                raw.len()
            )));
        }
        Ok(request)
    }

    /// Reads a body that is the raw elements of the model's only input, as `Inference-Header-Content-Length: 0` says.
    /// Such a client speaks no JSON, so that the outputs leave raw as well.
    pub fn raw(body: &[u8], signature: &Signature) -> Read<Self> {
        let input = binary::only_input(body, signature)?;
        Ok(Self { inputs: vec![input], binary: true, ..Self::default() })
    }
}

/// The fields that may be given once.
#[derive(Clone, Copy)]
enum Field {
    Id,
    Inputs,
    Outputs,
    Name,
    Datatype,
    Shape,
    Data,
}

/// Fields that were seen: the second of the same name is refused, since which of them counts is anybody's guess.
#[derive(Default)]
struct Given(u8);

impl Given {
    fn once(&mut self, field: Field) -> Read<()> {
        if self.has(field) {
            let name = match field {
                Field::Id => "id",
                Field::Inputs => "inputs",
                Field::Outputs => "outputs",
                Field::Name => "name",
                Field::Datatype => "datatype",
                Field::Shape => "shape",
                Field::Data => "data",
            };
            return Err(Malformed::new(format!("'{name}' is given twice")));
        }
        self.0 |= 1 << field as u8;
        Ok(())
    }

    fn has(&self, field: Field) -> bool {
        self.0 & 1 << field as u8 != 0
    }
}

fn request_parameters(cursor: &mut Cursor<'_>, binary: &mut bool) -> Read<()> {
    parameters(cursor, |cursor, key| match key {
        "binary_data_output" => {
            *binary = cursor.boolean()?;
            Ok(())
        }
        _ => cursor.skip(),
    })
}

/// An object of parameters, or `null`.
fn parameters<'a>(cursor: &mut Cursor<'a>, field: impl FnMut(&mut Cursor<'a>, &str) -> Read<()>) -> Read<()> {
    if cursor.take_word("null") { Ok(()) } else { cursor.object("'parameters'", field) }
}

/// Reads one input. Its `data` may come before the fields that say how to read it; then it is stepped over and read at
/// the end.
fn input(cursor: &mut Cursor<'_>, raw: &mut &[u8]) -> Read<(String, Tensor)> {
    let mut given = Given::default();
    let mut name: Option<String> = None;
    let mut datatype: Option<Datatype> = None;
    let mut shape: Option<Shape> = None;
    let mut size: Option<usize> = None;
    let mut tensor: Option<Tensor> = None;
    let mut postponed: Option<Cursor<'_>> = None;

    let read = cursor.object("an input", |cursor, key| match key {
        "name" => {
            given.once(Field::Name)?;
            name = Some(cursor.string()?.into_owned());
            Ok(())
        }
        "datatype" => {
            given.once(Field::Datatype)?;
            datatype = Some(datatype_name(cursor)?);
            Ok(())
        }
        "shape" => {
            given.once(Field::Shape)?;
            shape = Some(sizes(cursor)?);
            Ok(())
        }
        "data" => {
            given.once(Field::Data)?;
            if let (Some(datatype), Some(shape)) = (datatype, shape.take_if(|_| datatype.is_some())) {
                tensor = Some(elements::read(cursor, datatype, shape)?);
                return Ok(());
            }
            postponed = Some(cursor.clone());
            cursor.skip()
        }
        "parameters" => parameters(cursor, |cursor, key| match key {
            "binary_data_size" => {
                size = Some(length(cursor, "'binary_data_size'")?);
                Ok(())
            }
            "shared_memory_region" => Err(Malformed::new("shared memory is not offered: send the data")),
            _ => cursor.skip(),
        }),
        _ => cursor.skip(),
    });
    let read = read.and_then(|()| {
        if let (Some(tensor), None) = (tensor, size) {
            return Ok(tensor);
        }
        let missing = |field| Malformed::new(format!("'{field}' is missing"));
        let datatype = datatype.ok_or_else(|| missing("datatype"))?;
        if size.is_some() && given.has(Field::Data) {
            return Err(Malformed::new("both 'data' and 'binary_data_size' are given"));
        }
        let shape = shape.ok_or_else(|| missing("shape"))?;
        match (postponed, size) {
            (Some(mut cursor), _) => elements::read(&mut cursor, datatype, shape),
            (None, Some(size)) => binary::read(take(raw, size)?, datatype, shape),
            (None, None) => Err(Malformed::new("'data' is missing, and there is no 'binary_data_size'")),
        }
    });
    match (name, read) {
        (Some(name), Ok(tensor)) => Ok((name, tensor)),
        (Some(name), Err(error)) => Err(error.about("input", &name)),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Err(Malformed::new("an input has no 'name'")),
    }
}

/// Cuts the next input's raw bytes off.
fn take<'a>(raw: &mut &'a [u8], size: usize) -> Read<&'a [u8]> {
    let Some((taken, rest)) = raw.split_at_checked(size) else {
        return Err(Malformed::new(format!(
            "binary_data_size is {size}, but {} bytes are left behind the JSON",
            raw.len()
        )));
    };
    *raw = rest;
    Ok(taken)
}

fn datatype_name(cursor: &mut Cursor<'_>) -> Read<Datatype> {
    let name = cursor.string()?;
    Datatype::from_name(&name).ok_or_else(|| {
        let names: Vec<_> = Datatype::ALL.iter().map(|datatype| datatype.name()).collect();
        Malformed::new(format!("datatype {} is not one of {}", Excerpt(&name), names.join(", ")))
    })
}

fn sizes(cursor: &mut Cursor<'_>) -> Read<Shape> {
    let mut sizes = Vec::new();
    cursor.array("'shape'", |cursor| {
        if sizes.len() == LARGEST_RANK {
            return Err(Malformed::new(format!("'shape' has more than {LARGEST_RANK} dimensions")));
        }
        sizes.push(length(cursor, "a size in 'shape'")?);
        Ok(())
    })?;
    Ok(Shape::new(sizes))
}

/// A whole number from 0 up.
fn length(cursor: &mut Cursor<'_>, what: &str) -> Read<usize> {
    cursor.peek();
    let Some((decimal, length)) = number::scan(cursor.rest()) else {
        return Err(cursor.unexpected(&format!("{what}, a whole number")));
    };
    cursor.advance(length);
    decimal.integer().and_then(|value| usize::try_from(value).ok()).ok_or_else(|| {
        let text = String::from_utf8_lossy(decimal.text);
        Malformed::new(format!("{what}: expected a whole number from 0 up, got {}", Excerpt(&text)))
    })
}

fn wanted(cursor: &mut Cursor<'_>) -> Read<Wanted> {
    let mut given = Given::default();
    let mut wanted = Wanted::default();
    let read = cursor.object("an output", |cursor, key| match key {
        "name" => {
            given.once(Field::Name)?;
            wanted.name = cursor.string()?.into_owned();
            Ok(())
        }
        "parameters" => parameters(cursor, |cursor, key| match key {
            "binary_data" => {
                wanted.binary = Some(cursor.boolean()?);
                Ok(())
            }
            "classification" => {
                Err(Malformed::new("classification is not offered: ask for the tensor itself"))
            }
            "shared_memory_region" => Err(Malformed::new("shared memory is not offered")),
            _ => cursor.skip(),
        }),
        _ => cursor.skip(),
    });
    match (given.has(Field::Name), read) {
        (true, Ok(())) => Ok(wanted),
        (true, Err(error)) => Err(error.about("output", &wanted.name)),
        (false, Err(error)) => Err(error),
        (false, Ok(())) => Err(Malformed::new("an output has no 'name'")),
    }
}
