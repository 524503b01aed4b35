//! The inference answer: `$inference_response` of the protocol, with the binary tensor extension.

use super::{Malformed, binary, write};
use crate::tensor::{Excerpt, Tensor};

/// What a model answered.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// The model's name.
    pub model: &'a str,
    /// The version that answered.
    pub version: &'a str,
    /// The request's id, where it had one.
    pub id: Option<&'a str>,
    /// Each output's name, its tensor, and whether it leaves raw.
    pub outputs: Vec<(&'a str, Tensor, bool)>,
}

/// An answer as it goes on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// JSON, and behind it the raw tensors.
    pub body: Vec<u8>,
    /// The length of the JSON, where raw tensors are behind it: the header `Inference-Header-Content-Length`.
    pub json: Option<usize>,
}

impl Answer<'_> {
    /// Writes the answer. Fails for a BYTES output that is wanted as JSON and is not UTF-8.
    pub fn encode(&self) -> Result<Encoded, Malformed> {
        let mut body = Vec::with_capacity(self.estimate());
        body.extend_from_slice(b"{\"model_name\":");
        write::string(&mut body, self.model);
        body.extend_from_slice(b",\"model_version\":");
        write::string(&mut body, self.version);
        if let Some(id) = self.id {
            body.extend_from_slice(b",\"id\":");
            write::string(&mut body, id);
        }
        body.extend_from_slice(b",\"outputs\":[");
        for (position, (name, tensor, raw)) in self.outputs.iter().enumerate() {
            if position > 0 {
                body.push(b',');
            }
            output(&mut body, name, tensor, *raw)?;
        }
        body.extend_from_slice(b"]}");

        let json = self.outputs.iter().any(|(_, _, raw)| *raw).then_some(body.len());
        for (_, tensor, _) in self.outputs.iter().filter(|(_, _, raw)| *raw) {
            binary::write(&mut body, tensor.data());
        }
        Ok(Encoded { body, json })
    }

    /// About as many bytes as it will take: a number in JSON is seldom longer than 12.
    fn estimate(&self) -> usize {
        let outputs = self.outputs.iter().map(|(name, tensor, raw)| {
            let data = tensor.data();
            96 + name.len() + if *raw || data.bytes().is_none() { data.size() } else { data.len() * 12 }
        });
        128 + self.id.map_or(0, str::len) + outputs.sum::<usize>()
    }
}

fn output(body: &mut Vec<u8>, name: &str, tensor: &Tensor, raw: bool) -> Result<(), Malformed> {
    body.extend_from_slice(b"{\"name\":");
    write::string(body, name);
    body.extend_from_slice(b",\"datatype\":\"");
    body.extend_from_slice(tensor.datatype().name().as_bytes());
    body.extend_from_slice(b"\",\"shape\":[");
    for (position, &size) in tensor.shape().sizes().iter().enumerate() {
        if position > 0 {
            body.push(b',');
        }
        write::integer(body, size);
    }
    if raw {
        body.extend_from_slice(b"],\"parameters\":{\"binary_data_size\":");
        write::integer(body, tensor.data().size());
        body.extend_from_slice(b"}}");
    } else {
        body.extend_from_slice(b"],\"data\":");
        write::elements(body, tensor.data()).map_err(|index| {
            Malformed::new(format!(
                "output {}: element {index} is not UTF-8 and cannot leave as JSON; ask for it with \"binary_data\":true",
                Excerpt(name)
            ))
        })?;
        body.push(b'}');
    }
    Ok(())
}
