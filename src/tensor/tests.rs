use super::*;

#[test]
fn every_datatype_is_found_by_its_own_name() {
    for datatype in Datatype::ALL {
        assert_eq!(Datatype::from_name(datatype.name()), Some(datatype));
    }
    assert_eq!(Datatype::from_name("fp32"), None);
}

#[test]
fn a_shape_counts_its_elements_or_says_that_it_cannot() {
    assert_eq!(Shape::new([]).elements(), Some(1));
    assert_eq!(Shape::new([2, 3]).elements(), Some(6));
    assert_eq!(Shape::new([usize::MAX, 2]).elements(), None);
    assert_eq!(Shape::new([7, 2, 0]).elements(), Some(0));
    assert_eq!(Shape::new([usize::MAX / 2, 3, 0]).elements(), None);
}

#[test]
fn a_tensor_holds_as_many_elements_as_its_shape_says() {
    assert!(Tensor::new(Shape::new([2]), Data::Int8(vec![1, 2])).is_ok());
    assert_eq!(Tensor::new(Shape::new([3]), Data::Int8(vec![1, 2])), Err(Data::Int8(vec![1, 2])));
}

#[test]
fn strings_keep_their_borders() {
    let strings: Strings = ["", "a", "", "bc"].into_iter().collect();
    assert_eq!(strings.iter().collect::<Vec<_>>(), [&b""[..], b"a", b"", b"bc"]);
    assert_eq!(strings.get(4), None);
}

#[test]
fn a_mismatch_names_only_what_differs() {
    let spec = TensorSpec::new("x", Datatype::Fp32, [-1, 2]);
    let tensor = |sizes: &[usize], data| Tensor::new(Shape::new(sizes), data).unwrap();
    let message = |tensor| spec.check(&tensor).unwrap_err().to_string();

    assert_eq!(spec.check(&tensor(&[1, 2], Data::Fp32(vec![0.0; 2]))), Ok(()));
    assert_eq!(message(tensor(&[3], Data::Fp32(vec![0.0; 3]))), "input 'x': expected [-1,2], got [3]");
    assert_eq!(message(tensor(&[1, 2], Data::Int64(vec![0; 2]))), "input 'x': expected FP32, got INT64");
    assert_eq!(message(tensor(&[1], Data::Int64(vec![0]))), "input 'x': expected FP32 [-1,2], got INT64 [1]");
}

#[test]
fn inputs_are_bound_by_name_each_once() {
    let spec = |name: &str| TensorSpec::new(name, Datatype::Int8, [-1]);
    let signature = Signature { inputs: vec![spec("a"), spec("b")], outputs: vec![] };
    let named =
        |name: &str, value| (name.to_owned(), Tensor::new(Shape::new([1]), Data::Int8(vec![value])).unwrap());
    let bound = signature.bind(vec![named("b", 2), named("a", 1)]).unwrap();
    assert_eq!(
        bound.iter().map(Tensor::data).collect::<Vec<_>>(),
        [&Data::Int8(vec![1]), &Data::Int8(vec![2])]
    );

    let message = |inputs| signature.bind(inputs).unwrap_err().to_string();
    assert_eq!(message(vec![named("a", 1)]), "input 'b': missing; expected INT8 [-1]");
    assert_eq!(message(vec![named("a", 1), named("a", 1)]), "input 'a': given twice");
    assert_eq!(message(vec![named("c", 1)]), "input 'c': the model has no such input; it takes 'a', 'b'");
}

#[test]
fn an_excerpt_is_short_and_printable() {
    assert_eq!(Excerpt("a\n").to_string(), "'a\\n'");
    assert_eq!(Excerpt(&"x".repeat(65)).to_string(), format!("'{}…'", "x".repeat(64)));
}
