#![allow(clippy::cast_precision_loss)]

use half::f16;

use super::*;
use crate::tensor::{Data, Datatype, Shape, Signature, Strings, Tensor, TensorSpec};

fn tensor(sizes: &[usize], data: Data) -> Tensor {
    Tensor::new(Shape::new(sizes), data).unwrap()
}

/// The only input of a request with these fields.
fn input(fields: &str) -> Result<Tensor, String> {
    let body = format!(r#"{{"inputs":[{{"name":"x",{fields}}}]}}"#);
    let request = Request::parse(body.as_bytes(), None).map_err(|error| error.to_string())?;
    Ok(request.inputs.into_iter().next().unwrap().1)
}

fn fp32(shape: &str, data: &str) -> Result<Tensor, String> {
    input(&format!(r#""datatype":"FP32","shape":{shape},"data":{data}"#))
}

/// Extremes of every datatype.
fn extremes() -> Vec<Data> {
    vec![
        Data::Bool(vec![true, false]),
        Data::Uint8(vec![0, u8::MAX]),
        Data::Uint16(vec![0, u16::MAX]),
        Data::Uint32(vec![0, u32::MAX]),
        Data::Uint64(vec![0, u64::MAX]),
        Data::Int8(vec![i8::MIN, i8::MAX]),
        Data::Int16(vec![i16::MIN, i16::MAX]),
        Data::Int32(vec![i32::MIN, i32::MAX]),
        Data::Int64(vec![i64::MIN, i64::MAX]),
        Data::Fp16(vec![f16::MIN, f16::MAX, f16::MIN_POSITIVE_SUBNORMAL, f16::NEG_ZERO, f16::from_f32(0.1)]),
        Data::Fp32(vec![f32::MIN, f32::MAX, f32::MIN_POSITIVE, f32::from_bits(1), -0.0, 0.1, 16_777_217.0]),
        Data::Fp64(vec![f64::MIN, f64::MAX, f64::MIN_POSITIVE, f64::from_bits(1), -0.0, 0.1]),
        Data::Bytes(["", "a\"\\\n\u{1}é😀", "\u{0}"].into_iter().collect()),
    ]
}

fn bits(data: &Data) -> Vec<u8> {
    match data.bytes() {
        Some(bytes) => bytes.to_vec(),
        None => format!("{data:?}").into_bytes(),
    }
}

/// Writes a tensor as an answer does and reads it back as a request is read.
fn round_trip(data: Data, raw: bool) -> Tensor {
    let sent = tensor(&[data.len()], data);
    let answer = Answer { model: "m", version: "1", id: None, outputs: vec![("x", sent, raw)] };
    let Encoded { body, json } = answer.encode().unwrap();
    let length = json.unwrap_or(body.len());
    let text = String::from_utf8(body[..length].to_vec()).unwrap().replace("\"outputs\"", "\"inputs\"");
    let mut request = text.into_bytes();
    let json = json.map(|_| request.len());
    request.extend_from_slice(&body[length..]);
    Request::parse(&request, json).unwrap().inputs.remove(0).1
}

#[test]
fn every_datatype_makes_the_round_trip_to_the_bit() {
    for data in extremes() {
        for raw in [false, true] {
            let came = round_trip(data.clone(), raw);
            assert_eq!(came.datatype(), data.datatype());
            assert_eq!(bits(came.data()), bits(&data), "{} raw={raw}", data.datatype());
        }
    }
}

#[test]
fn nonfinite_numbers_leave_as_null_in_json_and_exactly_when_raw() {
    let data = Data::Fp32(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::from_bits(0x7fc0_0001)]);
    assert_eq!(bits(round_trip(data.clone(), true).data()), bits(&data));
    let Data::Fp32(values) = round_trip(data, false).data().clone() else { panic!("not FP32") };
    assert!(values.iter().all(|value| value.is_nan()));
}

#[test]
fn decimals_round_as_the_standard_library_rounds() {
    let hard = [
        "1.00000005960464477540",
        "1.000000059604644775390625",
        "1.0000000596046447753906250001",
        "16777217",
        "9007199791611905",
        "1e-46",
        "7.006492321624085e-46",
        "1.1754943508222875e-38",
        "3.4028235677973366e38",
        "0.3",
        "123456789012345678901234567890e-20",
        "-0",
        "0e99999999999",
        "1e-99999999999",
        "2.5e-1",
        "33554431.000000001",
        "1.5e22",
        "9007199254740993",
        "8388608.5",
        "8388609.5",
    ];
    for text in hard {
        let (decimal, length) = number::scan(text.as_bytes()).unwrap();
        assert_eq!(length, text.len());
        assert_eq!(
            decimal.binary32().to_bits(),
            text.parse::<f32>().unwrap().to_bits(),
            "{text} as binary32"
        );
        assert_eq!(
            decimal.binary64().to_bits(),
            text.parse::<f64>().unwrap().to_bits(),
            "{text} as binary64"
        );
    }
    let mut bits = 1_u64;
    for _ in 0..200_000 {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let single = f32::from_bits((bits >> 32) as u32);
        let double = f64::from(single) * (1.0 + f64::EPSILON * (bits % 3) as f64);
        for text in [format!("{single:?}"), format!("{double:?}"), format!("{double:.7e}")] {
            let Some((decimal, _)) = number::scan(text.as_bytes()) else { continue };
            assert_eq!(decimal.binary32().to_bits(), text.parse::<f32>().unwrap().to_bits(), "{text}");
            assert_eq!(decimal.binary64().to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
        }
    }
}

/// The values that are read in one go from a list, and how much of it they take.
fn plain<T: number::Real>(list: &str, room: usize) -> (Vec<T>, usize) {
    let mut values = Vec::new();
    let length = number::plain(list.as_bytes(), &mut values, room);
    (values, length)
}

/// Whether a number is read in one go, which it is from all of a list or from nothing of it; then to the bits that the standard
/// library gives it.
fn rounds_right<T>(text: &str, bits: impl Fn(&T) -> u64) -> bool
where
    T: number::Real + std::str::FromStr<Err: std::fmt::Debug>,
{
    let (values, length) = plain::<T>(&format!("{text},{text}, {text},                "), 3);
    if values.is_empty() {
        return false;
    }
    let nearest = bits(&text.parse().unwrap());
    assert_eq!(values.iter().map(bits).collect::<Vec<_>>(), [nearest; 3], "{text}");
    assert_eq!(length, 3 * text.len() + 4, "{text}");
    true
}

#[test]
fn plain_numbers_are_read_in_one_go_and_round_as_the_standard_library_rounds_them() {
    let (mut bits, mut doubles, mut singles) = (1_u64, 0, 0);
    for round in 0..300_000_u64 {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let places = (bits >> 20) as usize % 17;
        let text = match round % 3 {
            // Up to seven digits, a point, up to sixteen.
            0 => format!("{:.places$}", (bits >> 11) as f64 / 1e9 % 10_f64.powi((bits % 7) as i32)),
            // A binary32 and exactly half a step above it, or a hair from there.
            1 => {
                let single = f32::from_bits(0x3800_0000 + (bits >> 37) as u32);
                let step = f64::from(f32::from_bits(single.to_bits() + 1)) - f64::from(single);
                let near = f64::from(single) + step / 2.0;
                format!("{}", f64::from_bits(near.to_bits() + bits % 3 - 1))
            }
            _ => format!("{}", (bits >> 40) % 10_u64.pow((bits % 8) as u32)),
        };
        let text = if bits & 64 == 0 { text } else { format!("-{text}") };
        let double = rounds_right::<f64>(&text, |value| value.to_bits());
        let single = rounds_right::<f32>(&text, |value| value.to_bits().into());
        assert!(text.len() >= 8 || (double && single), "{text} is short");
        doubles += usize::from(double);
        singles += usize::from(single);
    }
    assert!(doubles > 150_000 && singles > 150_000, "{doubles} {singles}");
}

#[test]
fn of_all_short_texts_those_are_read_in_one_go_that_are_numbers_without_an_exponent() {
    const SIGNS: [&str; 9] = ["0", "1", "9", ".", "-", "e", " ", ":", "\u{b9}"];
    let (mut texts, mut read) = (vec![String::new()], 0);
    for _ in 0..5 {
        texts = texts.iter().flat_map(|text| SIGNS.map(|sign| format!("{text}{sign}"))).collect();
        for text in &texts {
            // A space in front belongs to the list.
            let bare = text.strip_prefix(' ').unwrap_or(text);
            let whole = number::scan(bare.as_bytes()).filter(|(_, length)| *length == bare.len());
            let expected = whole.filter(|_| !bare.contains('e')).map(|_| bare.parse::<f64>().unwrap());
            for behind in ["                    ", "9,9,9,9,9,9,9,9,9,9,9", ",,,,,,,,,,,,,,,,,,,"] {
                let (values, length) = plain::<f64>(&format!("{text},{behind}"), 1);
                assert_eq!(values.first().map(|value| value.to_bits()), expected.map(f64::to_bits), "{text}");
                let (singles, single_length) = plain::<f32>(&format!("{text},{behind}"), 1);
                let single = expected.map(|_| bare.parse::<f32>().unwrap().to_bits());
                assert_eq!(singles.first().map(|value| value.to_bits()), single, "{text}");
                assert_eq!(single_length, length);
                if expected.is_some() {
                    assert_eq!(length, text.len() + 1);
                    read += 1;
                }
            }
        }
    }
    assert!(read > 1_000, "{read}");
}

#[test]
fn what_is_no_number_of_json_is_none() {
    for text in [
        "",
        "-",
        ",",
        "-,",
        "01,",
        "-01,",
        ".5,",
        "1.,",
        "1..2,",
        "1.2.3,",
        "1e5,",
        "1",
        "1]",
        "1 ,",
        "  1,",
        "00,",
        "1-2,",
        "12345678,",
        "0.1234567890123456789,",
        "123456.78901234567890,",
        "12345678901234567890,",
    ] {
        assert_eq!(plain::<f64>(&format!("{text}                    "), 9), (vec![], 0), "{text}");
        assert_eq!(plain::<f32>(text, 9), (vec![], 0), "{text}, and the body ends");
    }
    assert_eq!(
        plain::<f32>("1,-2, 0.5,-0.25,7.125,5                ", 4).0.len(),
        4,
        "as many as there is room for"
    );
    for text in ["", "-", "+1", "01", "-01", ".5", "1.", "1.e5", "1e", "1e+", "inf", "nan", "0x1"] {
        let whole = number::scan(text.as_bytes()).is_some_and(|(_, length)| length == text.len());
        assert!(!whole, "{text}");
    }
}

#[test]
fn data_may_be_flat_or_nested_and_come_in_any_order() {
    let expected = tensor(&[2, 2], Data::Fp32(vec![1.0, 2.0, 3.0, 4.5]));
    assert_eq!(fp32("[2,2]", "[1,2,3,4.5]"), Ok(expected.clone()));
    assert_eq!(fp32("[2,2]", " [ [1 , 2],[3,4.5] ] "), Ok(expected.clone()));
    assert_eq!(input(r#""data":[[1,2],[3,4.5]],"shape":[2,2],"datatype":"FP32""#), Ok(expected));
    assert_eq!(fp32("[]", "[7]"), Ok(tensor(&[], Data::Fp32(vec![7.0]))));
    assert_eq!(fp32("[0,3]", "[]"), Ok(tensor(&[0, 3], Data::Fp32(vec![]))));
    assert_eq!(fp32("[2,0]", "[[],[]]"), Ok(tensor(&[2, 0], Data::Fp32(vec![]))));
    assert_eq!(fp32("[1,1,1]", "[[[1]]]"), Ok(tensor(&[1, 1, 1], Data::Fp32(vec![1.0]))));
}

#[test]
fn data_that_does_not_follow_its_shape_is_refused_by_name() {
    let cases = [
        (fp32("[2]", "[1]"), "input 'x': shape [2] has 2 elements, got 1"),
        (fp32("[2]", "[1,2,3]"), "input 'x': shape [2] has 2 elements, got 3"),
        (fp32("[2,2]", "[[1,2],[3]]"), "input 'x': a list of level 2 of shape [2,2] has 2 elements, got 1"),
        (fp32("[2,2]", "[[1,2]]"), "input 'x': a list of level 1 of shape [2,2] has 2 elements, got 1"),
        (
            fp32("[2,2]", "[[1,2],3]"),
            "input 'x': malformed JSON at byte 69: expected '[' to open a list of level 2 of shape [2,2], got '3'",
        ),
        (
            fp32("[1]", "[[1]]"),
            "input 'x': malformed JSON at byte 61: expected an FP32 element, a number, got '['",
        ),
        (
            fp32("[1]", "[\"1\"]"),
            "input 'x': malformed JSON at byte 61: expected an FP32 element, a number, got '\"'",
        ),
        (fp32("[1]", "[1e39]"), "input 'x': expected an FP32 element, got '1e39', which does not fit"),
        (
            input(r#""datatype":"UINT8","shape":[1],"data":[256]"#),
            "input 'x': expected a UINT8 element, got '256', which does not fit",
        ),
        (
            input(r#""datatype":"INT64","shape":[1],"data":[9223372036854775808]"#),
            "input 'x': expected an INT64 element, got '9223372036854775808', which does not fit",
        ),
        (
            input(r#""datatype":"INT64","shape":[1],"data":[1.0]"#),
            "input 'x': expected an INT64 element, got '1.0', which does not fit",
        ),
        (
            input(r#""datatype":"INT64","shape":[1],"data":[NaN]"#),
            "input 'x': malformed JSON at byte 62: expected an INT64 element, a number, got 'N'",
        ),
        (
            fp32("[4611686018427387904,4]", "[1]"),
            "input 'x': shape [4611686018427387904,4] has more elements than memory has bytes",
        ),
        (
            fp32("[4611686018427387904]", "[1]"),
            "input 'x': shape [4611686018427387904] has 4611686018427387904 elements, got 1",
        ),
        (fp32("[-1]", "[1]"), "input 'x': a size in 'shape': expected a whole number from 0 up, got '-1'"),
        (
            input(r#""datatype":"FLOAT","shape":[1],"data":[1]"#),
            "input 'x': datatype 'FLOAT' is not one of BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, FP32, FP64, BYTES",
        ),
        (input(r#""datatype":"FP32","data":[1]"#), "input 'x': 'shape' is missing"),
        (
            input(r#""datatype":"FP32","shape":[1]"#),
            "input 'x': 'data' is missing, and there is no 'binary_data_size'",
        ),
        (input(r#""name":"y""#), "input 'x': 'name' is given twice"),
    ];
    for (got, expected) in cases {
        assert_eq!(got.unwrap_err(), expected);
    }
}

#[test]
fn nonfinite_words_are_for_floats_only() {
    let Ok(got) = fp32("[5]", "[null,NaN,Infinity,-Infinity,-1]") else { panic!("refused") };
    let Data::Fp32(values) = got.data() else { panic!("not FP32") };
    assert!(values[0].is_nan() && values[1].is_nan());
    assert_eq!(values[2..], [f32::INFINITY, f32::NEG_INFINITY, -1.0]);
}

#[test]
fn nesting_costs_no_stack() {
    let deep = "[".repeat(200_000);
    assert_eq!(
        fp32("[1,1]", &deep).unwrap_err(),
        "input 'x': malformed JSON at byte 64: expected an FP32 element, a number, got '['"
    );
    let body = format!(r#"{{"unknown":{deep}"#);
    assert_eq!(
        Request::parse(body.as_bytes(), None).unwrap_err().to_string(),
        "JSON nested deeper than 128 levels"
    );
}

#[test]
fn a_request_keeps_its_id_and_the_outputs_that_it_names() {
    let body = br#"{"id":"a\u00e9\ud83d\ude00","outputs":[{"name":"b","parameters":{"binary_data":false}},{"name":"a"}],
        "parameters":{"binary_data_output":true,"other":[{},[],"x",1e5,NaN]},"inputs":[],"unknown":{"a":[[null]]}}"#;
    let request = Request::parse(body, None).unwrap();
    assert_eq!(request.id.as_deref(), Some("aé😀"));
    assert!(request.binary);
    let wanted = |name: &str, binary| Wanted { name: name.to_owned(), binary };
    assert_eq!(request.outputs, [wanted("b", Some(false)), wanted("a", None)]);
}

#[test]
fn raw_tensors_follow_the_json_in_the_order_of_the_inputs() {
    let json =
        br#"{"inputs":[{"name":"a","datatype":"INT16","shape":[2],"parameters":{"binary_data_size":4}},
        {"name":"b","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":9}}]}"#;
    let mut body = json.to_vec();
    body.extend_from_slice(&[1, 0, 0xff, 0xff, 1, 0, 0, 0, b'x', 0, 0, 0, 0]);
    let request = Request::parse(&body, Some(json.len())).unwrap();
    assert_eq!(request.inputs[0].1, tensor(&[2], Data::Int16(vec![1, -1])));
    assert_eq!(request.inputs[1].1, tensor(&[2], Data::Bytes(["x", ""].into_iter().collect())));

    let message = |body: &[u8], json| Request::parse(body, Some(json)).unwrap_err().to_string();
    assert_eq!(
        message(&body[..body.len() - 1], json.len()),
        "input 'b': binary_data_size is 9, but 8 bytes are left behind the JSON"
    );
    assert_eq!(
        message(&[&body[..], b"??"].concat(), json.len()),
        "2 bytes behind the JSON belong to no input: expected the sum of binary_data_size"
    );
    assert_eq!(
        message(&body, body.len() + 1),
        format!(
            "Inference-Header-Content-Length is {}, but the body has {} bytes",
            body.len() + 1,
            body.len()
        )
    );
}

#[test]
fn raw_bytes_must_be_as_many_as_the_shape_says() {
    let message = |raw: &[u8], datatype, sizes: &[usize]| {
        binary::read(raw, datatype, Shape::new(sizes)).unwrap_err().to_string()
    };
    assert_eq!(message(&[0; 3], Datatype::Fp32, &[1]), "FP32 [1] takes 4 bytes, got 3");
    assert_eq!(
        message(&[0; 3], Datatype::Fp64, &[1 << 62]),
        "FP64 [4611686018427387904] takes 36893488147419103232 bytes, got 3"
    );
    assert_eq!(message(&[2], Datatype::Bool, &[1]), "expected a BOOL element, byte 0 or 1, got byte 2");
    assert_eq!(
        message(&[255, 255, 255, 255, 1], Datatype::Bytes, &[1]),
        "a BYTES element says that it has 4294967295 bytes where 1 are left"
    );
    assert_eq!(
        message(&[0, 0, 0, 0, 1], Datatype::Bytes, &[1]),
        "1 bytes are left behind the last BYTES element, too few for a length"
    );
    assert_eq!(message(&[0; 4], Datatype::Bytes, &[2]), "BYTES [2] has 2 elements, got 1");
}

#[test]
fn a_body_without_json_takes_its_shape_from_the_model() {
    let signature = |datatype, shape: &[i64]| Signature {
        inputs: vec![TensorSpec::new("x", datatype, shape)],
        outputs: vec![],
    };
    let read = |raw: &[u8], signature: &Signature| {
        Request::raw(raw, signature)
            .map(|request| request.inputs[0].1.clone())
            .map_err(|error| error.to_string())
    };
    assert_eq!(
        read(&[1, 2, 3, 4], &signature(Datatype::Uint8, &[-1, 2])),
        Ok(tensor(&[2, 2], Data::Uint8(vec![1, 2, 3, 4])))
    );
    assert_eq!(
        read(&[1, 2, 3], &signature(Datatype::Uint8, &[-1, 2])),
        Err("input 'x': UINT8 [1,2] takes 2 bytes, got 3".to_owned())
    );
    assert_eq!(
        read(&[1, 0, 0, 0, b'a', 0, 0, 0, 0], &signature(Datatype::Bytes, &[-1])),
        Ok(tensor(&[2], Data::Bytes(["a", ""].into_iter().collect())))
    );
    assert_eq!(
        read(&[], &Signature::default()),
        Err("a body without JSON is for a model with one input; this one has 0".to_owned())
    );
}

#[test]
fn bytes_that_are_not_utf8_leave_raw_only() {
    let strings: Strings = [&b"ok"[..], b"\xff"].into_iter().collect();
    let answer = |raw| Answer {
        model: "m",
        version: "1",
        id: Some("7"),
        outputs: vec![("x", tensor(&[2], Data::Bytes(strings.clone())), raw)],
    };
    assert_eq!(
        answer(false).encode().unwrap_err().to_string(),
        "output 'x': element 1 is not UTF-8 and cannot leave as JSON; ask for it with \"binary_data\":true"
    );
    let Encoded { body, json } = answer(true).encode().unwrap();
    let (json, raw) = body.split_at(json.unwrap());
    assert_eq!(
        std::str::from_utf8(json).unwrap(),
        r#"{"model_name":"m","model_version":"1","id":"7","outputs":[{"name":"x","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":11}}]}"#
    );
    assert_eq!(raw, b"\x02\0\0\0ok\x01\0\0\0\xff");
}

#[test]
fn an_error_is_json_whatever_it_says() {
    assert_eq!(error_body("a \"b\"\n"), br#"{"error":"a \"b\"\n"}"#);
}
