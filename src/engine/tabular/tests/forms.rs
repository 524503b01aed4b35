//! What was an attribute in one version of an operator and is an input in a later one, and what else versions have in forms of their
//! own: each form against the specification of its version.

use super::specification::{float, fp32, int, tensor, text, written};
use super::*;

/// A node of one version, and what it makes of `x`.
pub(super) struct Form {
    op_type: &'static str,
    version: i64,
    attributes: Vec<Attribute>,
    /// The inputs behind `x`; none for one that is left out.
    more: Vec<Option<Constant>>,
    x: Tensor,
    made: Vec<Tensor>,
}

impl Form {
    fn new(op_type: &'static str, version: i64, x: &Tensor, made: &[Tensor]) -> Self {
        Self { op_type, version, attributes: vec![], more: vec![], x: x.clone(), made: made.to_vec() }
    }

    fn with(mut self, attribute: Attribute) -> Self {
        self.attributes.push(attribute);
        self
    }

    fn and(mut self, input: Constant) -> Self {
        self.more.push(Some(input));
        self
    }

    fn and_nothing(mut self) -> Self {
        self.more.push(None);
        self
    }

    pub(super) fn name(&self) -> String {
        format!("{} of version {}", self.op_type, self.version)
    }

    pub(super) fn source(&self, rows_are_free: bool) -> Source {
        let mut inputs = vec!["x".to_owned()];
        let mut constants = Vec::new();
        for (place, constant) in self.more.iter().enumerate() {
            let name = if constant.is_some() { format!("c{place}") } else { String::new() };
            inputs.push(name.clone());
            constants.extend(constant.clone().map(|constant| Constant { name, ..constant }));
        }
        let outputs = ["y", "y1", "y2"];
        let mut node = plain(self.op_type, inputs, "y");
        node.output = outputs.iter().take(self.made.len()).map(|&name| name.into()).collect();
        node.attribute.clone_from(&self.attributes);
        let outputs: Vec<_> =
            outputs.iter().zip(&self.made).map(|(&name, made)| (name, made.datatype())).collect();
        written(
            vec![node],
            constants,
            std::slice::from_ref(&self.x),
            &outputs,
            (self.version, 3),
            rows_are_free,
        )
    }
}

/// A constant without dimensions.
fn scalar(value: f32) -> Constant {
    Constant { data_type: data_type::FLOAT, float_data: vec![value], ..Constant::default() }
}

fn whole(values: &[i64]) -> Constant {
    int64("", values.to_vec())
}

fn places(sizes: &[usize], values: &[i64]) -> Tensor {
    tensor(sizes, Data::Int64(values.to_vec()))
}

pub(super) fn every() -> Vec<Form> {
    [axes(), reductions(), bounds(), shapes()].into_iter().flatten().collect()
}

/// Axes that are taken away and added.
fn axes() -> Vec<Form> {
    let row = fp32(&[1, 3], &[1.0, 2.0, 3.0]);
    let list = fp32(&[3], &[1.0, 2.0, 3.0]);
    let outer = fp32(&[1, 1, 3], &[1.0, 2.0, 3.0]);
    let mut forms = Vec::new();
    for version in [1, 11] {
        forms.extend([
            Form::new("Squeeze", version, &row, std::slice::from_ref(&list)).with(ints("axes", &[0])),
            Form::new("Unsqueeze", version, &list, std::slice::from_ref(&outer)).with(ints("axes", &[1, 0])),
        ]);
    }
    for version in [13, 21] {
        forms.extend([
            Form::new("Squeeze", version, &row, std::slice::from_ref(&list)).and(whole(&[-2])),
            Form::new("Unsqueeze", version, &list, std::slice::from_ref(&outer)).and(whole(&[0, -2])),
        ]);
    }
    forms.extend([1, 13].map(|version| Form::new("Squeeze", version, &outer, std::slice::from_ref(&list))));
    forms
}

/// The axes of `ReduceSum` became an input five versions before the others'.
fn reductions() -> Vec<Form> {
    let square = fp32(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    let mut forms = Vec::new();
    for (operator, columns, all) in [
        ("ReduceSum", [4.0, 6.0], 10.0),
        ("ReduceMean", [2.0, 3.0], 2.5),
        ("ReduceMax", [3.0, 4.0], 4.0),
        ("ReduceMin", [1.0, 2.0], 1.0),
        ("ReduceProd", [3.0, 8.0], 24.0),
        ("ReduceSumSquare", [10.0, 20.0], 30.0),
        ("ReduceL1", [4.0, 6.0], 10.0),
    ] {
        let input_from = if operator == "ReduceSum" { 13 } else { 18 };
        let (flat, kept) = ([fp32(&[2], &columns)], [fp32(&[1, 2], &columns)]);
        let all = [fp32(&[1, 1], &[all])];
        for version in [1, 11, input_from - 1] {
            forms.extend([
                Form::new(operator, version, &square, &flat)
                    .with(ints("axes", &[0]))
                    .with(int("keepdims", 0)),
                Form::new(operator, version, &square, &kept).with(ints("axes", &[0])),
                Form::new(operator, version, &square, &all),
            ]);
        }
        let (none, noop) = (whole(&[]), int("noop_with_empty_axes", 1));
        forms.extend([
            Form::new(operator, input_from, &square, &flat).and(whole(&[-2])).with(int("keepdims", 0)),
            Form::new(operator, input_from, &square, &all).and(none.clone()),
            Form::new(operator, input_from, &square, &all),
        ]);
        if operator != "ReduceSumSquare" {
            forms.push(
                Form::new(operator, input_from, &square, std::slice::from_ref(&square)).and(none).with(noop),
            );
        }
    }
    forms
}

/// What limits elements and cuts them out.
fn bounds() -> Vec<Form> {
    let row = fp32(&[1, 3], &[1.0, 2.0, 3.0]);
    let square = fp32(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    let five = fp32(&[1, 5], &[1.0, 2.0, 3.0, 4.0, 5.0]);
    let mut forms = Vec::new();
    let clipped = [fp32(&[1, 3], &[1.5, 2.0, 2.5])];
    let (from_below, from_above) = ([fp32(&[1, 3], &[1.5, 2.0, 3.0])], [fp32(&[1, 3], &[1.0, 2.0, 2.5])]);
    for version in [1, 6] {
        forms.extend([
            Form::new("Clip", version, &row, &clipped).with(float("min", 1.5)).with(float("max", 2.5)),
            Form::new("Clip", version, &row, &from_below).with(float("min", 1.5)),
            Form::new("Clip", version, &row, &from_above).with(float("max", 2.5)),
        ]);
    }
    for version in [11, 13] {
        forms.extend([
            Form::new("Clip", version, &row, &clipped).and(scalar(1.5)).and(scalar(2.5)),
            Form::new("Clip", version, &row, &from_below).and(scalar(1.5)),
            Form::new("Clip", version, &row, &from_above).and_nothing().and(scalar(2.5)),
        ]);
    }

    let middle = [fp32(&[1, 2], &[2.0, 3.0])];
    let backwards = [fp32(&[1, 2], &[5.0, 3.0])];
    let (starts, ends, axes) = (ints("starts", &[1]), ints("ends", &[-2]), ints("axes", &[1]));
    forms.extend([
        Form::new("Slice", 1, &five, &middle).with(starts).with(ends).with(axes),
        Form::new("Slice", 1, &five, &middle).with(ints("starts", &[0, 1])).with(ints("ends", &[9, 3])),
        Form::new("Slice", 10, &five, &middle).and(whole(&[1])).and(whole(&[3])).and(whole(&[1])),
        Form::new("Slice", 11, &five, &middle).and(whole(&[0, 1])).and(whole(&[1, 3])),
        Form::new("Slice", 13, &five, &backwards)
            .and(whole(&[-1]))
            .and(whole(&[1]))
            .and(whole(&[-1]))
            .and(whole(&[-2])),
    ]);

    let parts = [fp32(&[1, 2], &[1.0, 2.0]), fp32(&[1, 3], &[3.0, 4.0, 5.0])];
    let even = [fp32(&[1, 3], &[1.0, 2.0, 3.0]), fp32(&[1, 2], &[4.0, 5.0])];
    let halves = [fp32(&[1, 2], &[1.0, 2.0]), fp32(&[1, 2], &[3.0, 4.0])];
    for version in [2, 11] {
        forms.push(
            Form::new("Split", version, &five, &parts).with(ints("split", &[2, 3])).with(int("axis", 1)),
        );
    }
    forms.extend([
        Form::new("Split", 2, &square, &halves),
        Form::new("Split", 13, &five, &parts).and(whole(&[2, 3])).with(int("axis", -1)),
        Form::new("Split", 18, &five, &even).with(int("num_outputs", 2)).with(int("axis", 1)),
    ]);

    let greatest = [fp32(&[1, 2], &[5.0, 4.0]), places(&[1, 2], &[4, 3])];
    let least = [fp32(&[1, 2], &[1.0, 2.0]), places(&[1, 2], &[0, 1])];
    forms.extend([
        Form::new("TopK", 1, &five, &greatest).with(int("k", 2)),
        Form::new("TopK", 10, &five, &greatest).and(whole(&[2])),
        Form::new("TopK", 11, &five, &least).and(whole(&[2])).with(int("largest", 0)).with(int("axis", 1)),
    ]);
    forms
}

/// Shapes, and what is done along their dimensions.
fn shapes() -> Vec<Form> {
    let row = fp32(&[1, 3], &[1.0, 2.0, 3.0]);
    let mut forms = Vec::new();
    let column = [fp32(&[3, 1], &[1.0, 2.0, 3.0])];
    forms.extend([
        Form::new("Reshape", 1, &row, &column).with(ints("shape", &[3, -1])),
        Form::new("Reshape", 5, &row, &column).and(whole(&[-1, 1])),
        Form::new("Reshape", 14, &row, &column).and(whole(&[3, 1])).with(int("allowzero", 1)),
        Form::new("Reshape", 13, &row, std::slice::from_ref(&row)).and(whole(&[0, 3])),
    ]);

    // All dimensions from the axis on were one before version 13; each is for itself from then on.
    let zeros = fp32(&[1, 2, 2], &[0.0; 4]);
    let (joint, each) = ([fp32(&[1, 2, 2], &[0.25; 4])], [fp32(&[1, 2, 2], &[0.5; 4])]);
    for version in [1, 11] {
        forms.push(Form::new("Softmax", version, &zeros, &joint));
        forms.push(Form::new("Softmax", version, &zeros, &each).with(int("axis", 2)));
    }
    forms.push(Form::new("Softmax", 13, &zeros, &each));
    forms.push(Form::new("Softmax", 13, &zeros, &each).with(int("axis", 1)));

    let same = fp32(&[1, 3], &[7.0, 1.0, 7.0]);
    for (version, last) in [(1, None), (11, None), (12, Some(1)), (13, Some(0))] {
        let place = if last == Some(1) { 2 } else { 0 };
        let form = Form::new("ArgMax", version, &same, &[places(&[1, 1], &[place])]).with(int("axis", 1));
        forms.push(if let Some(last) = last { form.with(int("select_last_index", last)) } else { form });
    }

    // The axis of a Concat had a default before version 4, and the slice of a shape came with version 15.
    forms.extend([
        Form::new("Concat", 1, &row, &[fp32(&[1, 4], &[1.0, 2.0, 3.0, 9.0])])
            .and(Constant { dims: vec![1, 1], ..scalar(9.0) }),
        Form::new("Shape", 1, &row, &[places(&[2], &[1, 3])]),
        Form::new("Shape", 15, &row, &[places(&[1], &[3])]).with(int("start", -1)),
        Form::new("Flatten", 9, &zeros, &[fp32(&[2, 2], &[0.0; 4])]).with(int("axis", 2)),
        Form::new("Flatten", 11, &zeros, &[fp32(&[2, 2], &[0.0; 4])]).with(int("axis", -1)),
    ]);
    forms
}

#[test]
fn each_version_of_an_operator_has_its_own_form() {
    for form in every() {
        let name = form.name();
        let engine = load(&form.source(false)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let all: Vec<usize> = (0..form.made.len()).collect();
        let made = infer(&*engine, vec![form.x.clone()], &all, Spread::One);
        assert_eq!(made, Ok(form.made), "{name}: {:?}, {:?}", form.attributes, form.more);
    }
}

/// What older versions mean otherwise is refused by name, never taken for what it means today.
#[test]
fn forms_that_are_not_covered_are_refused() {
    let row = fp32(&[1, 3], &[1.0, 2.0, 3.0]);
    let same = std::slice::from_ref(&row);
    for (form, reason) in [
        (
            Form::new("Add", 6, &row, same)
                .and(Constant { dims: vec![1], ..scalar(1.0) })
                .with(int("broadcast", 1)),
            "broadcasting by attributes, from before version 7, is not covered",
        ),
        (Form::new("Cast", 1, &row, same).with(text("to", "FLOAT")), "to is not an integer"),
        (
            Form::new("Tile", 1, &row, same)
                .and(Constant { dims: vec![], ..whole(&[1]) })
                .and(Constant { dims: vec![], ..whole(&[1]) }),
            "1 repeats for 2 dimensions",
        ),
    ] {
        let said = load(&form.source(true)).err().expect("loaded").to_string();
        assert!(said.contains(form.op_type) && said.ends_with(reason), "{said}");
    }
}
