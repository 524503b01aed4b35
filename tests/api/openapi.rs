use crate::client::get;

#[tokio::test]
async fn the_document_is_served_as_it_is_kept() {
    let answer = get("/openapi.yaml").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/yaml"));
    assert_eq!(answer.text(), std::fs::read_to_string("openapi.yaml").unwrap());
}

#[tokio::test]
async fn the_document_is_of_this_version() {
    let version = format!("\n  version: {}\n", env!("CARGO_PKG_VERSION"));
    assert!(get("/openapi.yaml").await.text().contains(&version), "{version}");
}
