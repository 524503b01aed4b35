//! An engine that misbehaves on a switch: what becomes of the request, and of the next one.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use twofold::catalog::Catalog;
use twofold::config::Home;
use twofold::engine::pool::Pool;
use twofold::engine::{Engine, InferError, Spread};
use twofold::http::{Bodies, Changes, Front, Readiness, router};
use twofold::telemetry::Metrics;
use twofold::tensor::{Data, Datatype, Shape, Signature, Tensor, TensorSpec};

use crate::client::{Answer, send};

struct Misbehaving {
    signature: Signature,
}

impl Engine for Misbehaving {
    fn name(&self) -> &'static str {
        "misbehaving"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn infer(
        &self,
        inputs: Vec<Tensor>,
        _outputs: &[usize],
        _spread: Spread,
    ) -> Result<Vec<Tensor>, InferError> {
        let Data::Int8(values) = inputs[0].data() else { panic!("not bound to the signature") };
        match values[0] {
            0 => Ok(inputs),
            1 => panic!("a secret panic"),
            2 => Err(InferError::failed("a secret failure")),
            3 => Err(InferError::input("input 'x': 3 is not for this model")),
            _ => {
                Ok(vec![Tensor::new(Shape::new([1]), Data::Bytes([b"\xff"].into_iter().collect())).unwrap()])
            }
        }
    }
}

fn misbehaving() -> Router {
    let spec = |name: &str| TensorSpec::new(name, Datatype::Int8, [1]);
    let signature = Signature { inputs: vec![spec("x")], outputs: vec![spec("y")] };
    let metrics = Metrics::new(Home::Local);
    let pool = Pool::new(2, 4);
    let catalog = Arc::new(Catalog::new(metrics.clone(), pool, Duration::from_secs(5)));
    catalog.enter("m", 1, Arc::new(Misbehaving { signature }));
    router(&Front {
        catalog,
        metrics,
        readiness: Readiness::default(),
        admin: false,
        bodies: Bodies::new(1024, 1024, Duration::from_secs(20)),
        changes: Changes::default(),
        home: Home::Local,
    })
}

async fn infer(router: &Router, value: i8) -> Answer {
    let body = format!(r#"{{"inputs":[{{"name":"x","shape":[1],"datatype":"INT8","data":[{value}]}}]}}"#);
    send(router.clone(), Request::post("/v2/models/m/infer").body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn a_panic_or_a_failure_is_an_opaque_500_for_its_request_alone() {
    let router = misbehaving();
    for value in [1, 2] {
        let answer = infer(&router, value).await;
        assert_eq!(
            answer.error(),
            (500, "internal error; the log has the cause, by the request id".into()),
            "{value}"
        );
        assert!(answer.header("x-request-id").is_some());
        assert_eq!(infer(&router, 0).await.status, 200);
    }
}

#[tokio::test]
async fn an_input_that_the_engine_refuses_is_400() {
    let router = misbehaving();
    assert_eq!(infer(&router, 3).await.error(), (400, "input 'x': 3 is not for this model".into()));
}

#[tokio::test]
async fn strings_that_are_not_utf8_are_refused_as_json_and_say_how_to_get_them() {
    let router = misbehaving();
    assert_eq!(
        infer(&router, 4).await.error(),
        (
            400,
            "output 'y': element 0 is not UTF-8 and cannot leave as JSON; ask for it with \"binary_data\":true".into()
        )
    );
}
