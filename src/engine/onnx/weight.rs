//! What a file's messages will weigh in memory, from their frames alone. Two bytes are enough for a message without a field, which
//! takes hundreds once it is read: a file of some megabytes could be gigabytes before anything of it is looked at.

use std::mem::size_of;

use bytes::{Buf, Bytes};
use prost::DecodeError;
use prost::encoding::{self, DecodeContext, WireType};

use super::{
    Attribute, Constant, Dimension, Graph, Node, OperatorSet, SequenceType, StringPair, TensorShape,
    TensorType, ValueInfo, ValueType,
};

/// As much as any file may weigh, and how many times its own bytes one may weigh beyond that.
const FREE: usize = 64 << 20;
const TIMES: usize = 16;

/// Messages nest no deeper than prost reads them.
const DEEPEST: usize = 100;

/// What a field holds that takes more memory than it has bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Constant,
    Value,
    Type,
    Sequence,
    Tensor,
    Shape,
    /// Whatever it has, it is not looked for.
    Leaf,
}

/// What stands in a field: its kind, the memory that it takes, and what people call it.
fn inside(kind: Kind, field: u32) -> Option<(Kind, usize, &'static str)> {
    Some(match (kind, field) {
        (Kind::Model, 7) | (Kind::Attribute, 6 | 11) => (Kind::Graph, size_of::<Graph>(), "graphs"),
        (Kind::Model, 8) => (Kind::Leaf, size_of::<OperatorSet>(), "operator sets"),
        (Kind::Graph, 1) => (Kind::Node, size_of::<Node>(), "nodes"),
        (Kind::Graph | Kind::Attribute, 5) => (Kind::Constant, size_of::<Constant>(), "constants"),
        (Kind::Graph, 11..=13) => (Kind::Value, size_of::<ValueInfo>(), "values"),
        (Kind::Node, 1 | 2) => (Kind::Leaf, size_of::<String>(), "inputs and outputs of nodes"),
        (Kind::Node, 5) => (Kind::Attribute, size_of::<Attribute>(), "attributes"),
        (Kind::Constant, 6) => (Kind::Leaf, size_of::<Bytes>(), "strings"),
        (Kind::Constant, 13) => (Kind::Leaf, size_of::<StringPair>(), "places in side files"),
        (Kind::Value, 2) | (Kind::Sequence, 1) => (Kind::Type, size_of::<ValueType>(), "types"),
        (Kind::Type, 1) => (Kind::Tensor, size_of::<TensorType>(), "types"),
        (Kind::Type, 4) => (Kind::Sequence, size_of::<SequenceType>(), "types"),
        (Kind::Tensor, 2) => (Kind::Shape, size_of::<TensorShape>(), "shapes"),
        (Kind::Shape, 1) => (Kind::Leaf, size_of::<Dimension>(), "dimensions"),
        _ => return None,
    })
}

/// Refuses a file that is too heavy to be read; the reason says what there is too much of.
pub(super) fn check(file: &[u8]) -> Result<(), String> {
    let mut left = file.len().saturating_mul(TIMES).saturating_add(FREE);
    match weigh(file, Kind::Model, DEEPEST, &mut left) {
        Ok(None) => Ok(()),
        Ok(Some(what)) => Err(format!(
            "it has so many {what} that they would take many times more memory than it has bytes"
        )),
        Err(error) => Err(error.to_string()),
    }
}

/// Takes what a message weighs from what is left; gives what it was that is more than that.
fn weigh(
    mut bytes: &[u8],
    kind: Kind,
    deepest: usize,
    left: &mut usize,
) -> Result<Option<&'static str>, DecodeError> {
    while bytes.has_remaining() {
        let (field, wire_type) = encoding::decode_key(&mut bytes)?;
        // An element of a list, which may be long, and behind which [`Attribute`] reads nothing that would have to be counted.
        if kind == Kind::Attribute
            && matches!(
                (field, wire_type),
                (7, WireType::ThirtyTwoBit) | (8, WireType::Varint) | (9, WireType::LengthDelimited)
            )
        {
            return Ok(None);
        }
        let Some((kind, size, what)) = inside(kind, field).filter(|_| wire_type == WireType::LengthDelimited)
        else {
            encoding::skip_field(wire_type, field, &mut bytes, DecodeContext::default())?;
            continue;
        };
        let length = usize::try_from(encoding::decode_varint(&mut bytes)?).unwrap_or(usize::MAX);
        // What is cut off has an error of its own when it is read.
        let Some((own, rest)) = bytes.split_at_checked(length) else { return Ok(None) };
        bytes = rest;
        // A list of them grows by doubling.
        let Some(rest) = left.checked_sub(2 * size) else { return Ok(Some(what)) };
        *left = rest;
        // Deeper ones are not read either.
        if kind != Kind::Leaf
            && let Some(deepest) = deepest.checked_sub(1)
            && let Some(what) = weigh(own, kind, deepest, left)?
        {
            return Ok(Some(what));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost::encoding::{encode_key, encode_varint};

    use super::*;
    use crate::engine::onnx::Model;

    /// A field with some bytes in it.
    fn framed(field: u32, inside: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_key(field, WireType::LengthDelimited, &mut bytes);
        encode_varint(inside.len() as u64, &mut bytes);
        [bytes.as_slice(), inside].concat()
    }

    #[test]
    fn empty_messages_by_the_million_are_refused_unread() {
        let many = |field| framed(field, &[]).repeat(1 << 20);
        let in_node = |fields: &[u8]| framed(7, &framed(1, fields));
        // A group, which is skipped with what is in it, in front of what counts.
        let group = [11 << 3 | 3, 11 << 3 | 4];
        for (file, what) in [
            (in_node(&many(5)), "attributes"),
            (in_node(&[&group[..], &many(5)].concat()), "attributes"),
            (in_node(&[many(2), many(1)].concat().repeat(4)), "inputs and outputs of nodes"),
            (framed(7, &many(1)), "nodes"),
            (framed(7, &many(5)), "constants"),
            (framed(7, &many(11)), "values"),
            (framed(7, &framed(5, &many(6).repeat(4))), "strings"),
            (in_node(&framed(5, &framed(6, &many(1)))), "nodes"),
        ] {
            assert_eq!(
                Model::read(file.into()).unwrap_err().to_string(),
                format!(
                    "model.onnx is not a whole ONNX file: it has so many {what} that they would take many times more memory than it has bytes"
                )
            );
        }
        // Behind an element nothing is counted, and so nothing is read; a list without one is none.
        let behind = |list: &[u8]| in_node(&framed(5, &[list, &framed(6, &many(1))].concat()));
        for element in [&[7 << 3 | 5, 0, 0, 0, 0][..], &[8 << 3, 1], &[9 << 3 | 2, 0]] {
            let said = Model::read(behind(element).into()).unwrap_err().to_string();
            assert!(said.contains("an attribute has a tensor or a graph behind a list"), "{said}");
        }
        for none in [&[7 << 3 | 2, 0][..], &[8 << 3 | 2, 0]] {
            let said = Model::read(behind(none).into()).unwrap_err().to_string();
            assert!(said.contains("so many nodes"), "{said}");
        }
    }

    #[test]
    fn what_models_have_is_bearable() {
        assert_eq!(check(include_bytes!("../../../models/digits/model.onnx")), Ok(()));
        let node = Node { input: vec![String::new(); 100_000], ..Node::default() };
        let graph = Graph { node: vec![node], ..Graph::default() };
        assert_eq!(check(&Model { graph: Some(graph), ..Model::default() }.encode_to_vec()), Ok(()));
        // A node with names as short as names are, a million times.
        let names = [framed(1, b"aaaaaaa"), framed(2, b"bbbbbbb"), framed(3, b"ccccccc"), framed(4, b"Add")];
        assert_eq!(check(&framed(7, &framed(1, &names.concat()).repeat(1 << 20))), Ok(()));
    }
}
