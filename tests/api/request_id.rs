use crate::client::{get, post_with};

#[tokio::test]
async fn an_id_is_echoed() {
    for (path, status) in [("/v2/repository/index", 200), ("/nowhere", 404), ("/v2/models/digits/infer", 400)]
    {
        let answer = post_with(path, &[("x-request-id", "abc-1")], "").await;
        assert_eq!((answer.status, answer.header("x-request-id")), (status, Some("abc-1")));
    }
}

#[tokio::test]
async fn an_id_is_made_where_none_is_fit_to_be_logged() {
    let made = |answer: crate::client::Answer| {
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert_eq!(id.len(), 36, "{id}");
        id
    };
    let first = made(get("/v2").await);
    assert_ne!(first, made(get("/v2").await));
    for unfit in [String::new(), "two words".to_owned(), "x".repeat(129)] {
        made(post_with("/v2/repository/index", &[("x-request-id", &unfit)], "").await);
    }
    let longest = "x".repeat(128);
    let answer = post_with("/v2/repository/index", &[("x-request-id", &longest)], "").await;
    assert_eq!(answer.header("x-request-id"), Some(&*longest));
}
