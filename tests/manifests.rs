//! The manifests of k8s/, the Dockerfile and the settings agree: ports, times, user, names, files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use twofold::config::Config;

const BASE: &str = "k8s/base";
const OVERLAYS: [&str; 2] = ["k8s/overlays/kind", "k8s/overlays/eks"];

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or_else(|| panic!("nothing at {pointer} of {value}"))
}

fn deployment() -> Value {
    yaml("k8s/base/deployment.yaml")
}

fn container() -> Value {
    at(&deployment(), "/spec/template/spec/containers/0").clone()
}

/// The variables of a settings.env; none where there is no such file.
fn settings(folder: &str) -> BTreeMap<String, String> {
    let path = format!("{folder}/settings.env");
    if !Path::new(&path).exists() {
        return BTreeMap::new();
    }
    let text = read(&path);
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

/// An instruction of the Dockerfile's last stage, its continued lines joined.
fn instructions(name: &str) -> Vec<String> {
    let text = read("Dockerfile").replace("\\\n", " ");
    let last = text.rsplit("\nFROM scratch\n").next().unwrap();
    let lines = last.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// What a pod's server is told: by the image, by the base and by an overlay.
fn config(overlay: &str) -> Config {
    let mut vars = BTreeMap::from([("KUBERNETES_SERVICE_HOST".to_owned(), "10.0.0.1".to_owned())]);
    for pair in instructions("ENV").join(" ").split(' ') {
        let (name, value) = pair.split_once('=').unwrap();
        vars.insert(name.to_owned(), value.to_owned());
    }
    vars.extend(settings(BASE));
    vars.extend(settings(overlay));
    Config::parse(["server"], vars).unwrap_or_else(|refusal| panic!("{overlay}: {refusal}"))
}

/// A field of the pods' template, as an overlay has it or else the base.
fn of_pod(overlay: &str, pointer: &str) -> Value {
    let pointer = format!("/spec/template/spec{pointer}");
    let patch = format!("{overlay}/deployment.yaml");
    let patched = Path::new(&patch).exists().then(|| yaml(&patch).pointer(&pointer).cloned()).flatten();
    patched.unwrap_or_else(|| at(&deployment(), &pointer).clone())
}

#[test]
fn every_setting_of_a_pod_is_one_that_the_server_takes() {
    for overlay in OVERLAYS {
        config(overlay);
    }
    for name in [BASE, OVERLAYS[1]].iter().flat_map(|folder| settings(folder).into_keys()) {
        assert!(Config::settings().any(|setting| setting.variable == name), "{name}");
    }
}

#[test]
fn a_pod_is_given_the_time_to_drain_and_to_end_what_it_began() {
    for overlay in OVERLAYS {
        let config = config(overlay);
        let grace = Duration::from_secs(of_pod(overlay, "/terminationGracePeriodSeconds").as_u64().unwrap());
        let needed = config.server.drain + config.compute.deadline;
        assert!(grace > needed, "{overlay}: {grace:?} are not more than {needed:?}");
        // The endpoints of a pod that is about to go are taken out while it still serves.
        assert!(config.server.drain >= Duration::from_secs(5), "{overlay}");
    }
    let service = yaml("k8s/overlays/eks/service.yaml");
    let annotations = at(&service, "/metadata/annotations").as_object().unwrap();
    let attributes =
        annotations["service.beta.kubernetes.io/aws-load-balancer-target-group-attributes"].as_str();
    let delay = attributes.unwrap().strip_prefix("deregistration_delay.timeout_seconds=").unwrap();
    assert!(Duration::from_secs(delay.parse().unwrap()) < config("k8s/overlays/eks").server.drain);
}

#[test]
fn requests_find_the_port_that_the_server_listens_on() {
    let listen = config(OVERLAYS[0]).server.listen;
    assert!(listen.ip().is_unspecified(), "{listen}");
    assert_eq!(instructions("EXPOSE"), [listen.port().to_string()]);
    assert_eq!(container()["ports"], json!([{"name": "http", "containerPort": listen.port()}]));
    let service = yaml("k8s/base/service.yaml");
    assert_eq!(at(&service, "/spec/ports/0/targetPort"), "http");
    assert_eq!(at(&yaml("k8s/base/network.yaml"), "/spec/ingress/0/ports/0/port"), "http");
    // Patches of ports are told apart by the port.
    let kind = yaml("k8s/overlays/kind/service.yaml");
    assert_eq!(at(&kind, "/spec/ports/0/port"), at(&service, "/spec/ports/0/port"));
    let mapped = at(&yaml("k8s/kind.yaml"), "/nodes/0/extraPortMappings/0").clone();
    assert_eq!(&mapped["containerPort"], at(&kind, "/spec/ports/0/nodePort"));
    assert_eq!(mapped["hostPort"], 8080);
}

#[test]
fn probes_ask_for_health_and_have_patience() {
    let routes = yaml("openapi.yaml");
    for (probe, path) in [
        ("startupProbe", "/v2/health/live"),
        ("readinessProbe", "/v2/health/ready"),
        ("livenessProbe", "/v2/health/live"),
    ] {
        assert_eq!(container()[probe]["httpGet"], json!({"path": path, "port": "http"}), "{probe}");
        assert!(routes["paths"].get(path).is_some(), "{path} is no route");
    }
    let seconds = |probe: &str| {
        let of = |field: &str| container()[probe][field].as_u64().unwrap();
        of("periodSeconds") * of("failureThreshold")
    };
    assert!(
        seconds("livenessProbe") > seconds("readinessProbe"),
        "a pod is taken out before it is restarted"
    );
    assert_eq!(container()["terminationMessagePolicy"], "FallbackToLogsOnError");
    assert_eq!(instructions("HEALTHCHECK").join(" ").split("CMD ").nth(1), Some(r#"["/server", "--check"]"#));
    assert!(Config::parse(["server", "--check"], BTreeMap::new()).unwrap().check);
}

#[test]
fn the_server_runs_with_nothing_that_it_does_not_need() {
    let user = at(&deployment(), "/spec/template/spec/securityContext").clone();
    assert_eq!(user["runAsNonRoot"], true);
    assert_eq!(user["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(instructions("USER"), [format!("{}:{}", user["runAsUser"], user["runAsGroup"])]);
    assert_eq!(
        container()["securityContext"],
        json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        })
    );
    assert_eq!(of_pod(BASE, "/automountServiceAccountToken"), false);
    assert_eq!(of_pod(BASE, "/enableServiceLinks"), false);
    let mount = |at: usize, path: &str| json!({"name": of_pod(BASE, &format!("/volumes/{at}/name")), "mountPath": path});
    assert_eq!(
        container()["volumeMounts"],
        json!([mount(0, "/tmp"), mount(1, &settings(BASE)["TWOFOLD_CACHE"])])
    );
    let labels = at(&yaml("k8s/base/namespace.yaml"), "/metadata/labels").clone();
    for mode in ["enforce", "audit", "warn"] {
        assert_eq!(labels[format!("pod-security.kubernetes.io/{mode}")], "restricted");
    }
}

#[test]
fn the_cache_evicts_packages_before_kubernetes_evicts_the_pod() {
    let mebibytes = |size: &str| match size.strip_suffix("GiB") {
        Some(size) => size.parse::<u64>().unwrap() * 1024,
        None => size.strip_suffix("Mi").unwrap().parse().unwrap(),
    };
    let cache = mebibytes(&settings(BASE)["TWOFOLD_CACHE_LIMIT"]);
    let volume = of_pod(BASE, "/volumes/1/emptyDir/sizeLimit");
    assert!(cache < mebibytes(volume.as_str().unwrap()), "{cache} MiB, {volume}");
}

/// Both homes pull by the same three actions; the function's are in tests/template/permissions.txt.
#[test]
fn the_pods_role_may_pull_and_nothing_else() {
    let policy: Value = serde_json::from_str(&read("k8s/overlays/eks/pull-policy.json")).unwrap();
    let mut allowed = BTreeMap::new();
    for statement in policy["Statement"].as_array().unwrap() {
        assert_eq!(statement["Effect"], "Allow");
        let actions =
            statement["Action"].as_array().cloned().unwrap_or_else(|| vec![statement["Action"].clone()]);
        allowed.extend(
            actions.iter().map(|action| (action.as_str().unwrap().to_owned(), statement["Resource"].clone())),
        );
    }
    let listed = read("tests/template/permissions.txt");
    let listed = listed.lines().filter_map(|line| line.strip_prefix("Role | Allow ecr:")?.split(" |").next());
    assert_eq!(
        allowed.keys().cloned().collect::<Vec<_>>(),
        listed.map(|action| format!("ecr:{action}")).collect::<Vec<_>>()
    );
    for (action, resource) in allowed {
        assert_eq!(resource == "*", action == "ecr:GetAuthorizationToken", "{action}");
    }
}

#[test]
fn the_autoscaler_owns_the_number_of_pods_and_changes_cost_none() {
    let deployment = deployment();
    assert_eq!(deployment.pointer("/spec/replicas"), None);
    assert_eq!(at(&deployment, "/spec/strategy/rollingUpdate/maxUnavailable"), 0);
    let autoscaler = yaml("k8s/base/autoscaler.yaml");
    assert_eq!(at(&autoscaler, "/spec/scaleTargetRef/name"), at(&deployment, "/metadata/name"));
    assert_eq!(at(&autoscaler, "/spec/minReplicas"), 2);
    assert_eq!(at(&autoscaler, "/spec/maxReplicas"), 10);
    // Less than the smallest number of pods: a drain can always go on, and never takes the last one.
    assert_eq!(at(&yaml("k8s/base/disruption.yaml"), "/spec/maxUnavailable"), 1);
    // A share of a request is what the autoscaler goes by: without one it does nothing.
    assert!(container()["resources"]["requests"]["cpu"].is_string());
}

#[test]
fn pods_are_spread_over_nodes_and_where_there_are_zones_over_those() {
    let spread = |overlay| {
        let constraints = of_pod(overlay, "/topologySpreadConstraints");
        let keys = constraints.as_array().unwrap().iter().map(|each| each["topologyKey"].as_str().unwrap());
        keys.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(spread("k8s/overlays/kind"), ["kubernetes.io/hostname"]);
    assert_eq!(spread("k8s/overlays/eks"), ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]);
}

#[test]
fn no_file_is_forgotten() {
    for folder in [BASE, OVERLAYS[0], OVERLAYS[1]] {
        let kustomization = yaml(&format!("{folder}/kustomization.yaml"));
        let mut named: BTreeSet<String> = BTreeSet::from(["kustomization.yaml".to_owned()]);
        let mut name = |value: &Value| named.extend(value.as_str().map(str::to_owned));
        kustomization["resources"].as_array().unwrap().iter().for_each(&mut name);
        for patch in kustomization["patches"].as_array().into_iter().flatten() {
            name(&patch["path"]);
        }
        for file in kustomization
            .pointer("/configMapGenerator/0/envs")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            name(file);
        }
        named.remove("../../base");
        // Not the cluster's: what the pod's role in AWS is given.
        named.extend((folder == OVERLAYS[1]).then(|| "pull-policy.json".to_owned()));
        let files =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(files.collect::<BTreeSet<_>>(), named, "{folder}");
    }
}

#[test]
fn images_are_named_so_that_it_is_clear_what_runs() {
    let image = |overlay: &str| at(&yaml(&format!("{overlay}/kustomization.yaml")), "/images/0").clone();
    // Another tag than latest: Kubernetes would try to pull that one.
    assert_eq!(image("k8s/overlays/kind"), json!({"name": "twofold", "newTag": "dev"}));
    let eks = image("k8s/overlays/eks");
    let digest = eks["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digest}");
    assert!(eks["newName"].as_str().unwrap().contains(".dkr.ecr."), "{eks}");
}

#[test]
fn the_image_is_compiled_by_the_rust_and_under_the_licence_of_the_manifest() {
    let rust = env!("CARGO_PKG_RUST_VERSION");
    assert!(read("Dockerfile").contains(&format!("\nARG RUST={rust}\n")), "{rust}");
    let labels = instructions("LABEL").join(" ");
    for (name, value) in [("licenses", env!("CARGO_PKG_LICENSE")), ("title", env!("CARGO_PKG_NAME"))] {
        assert!(labels.contains(&format!("org.opencontainers.image.{name}=\"{value}\"")), "{labels}");
    }
    for argument in ["source", "revision", "version"] {
        let label = format!("org.opencontainers.image.{argument}=\"${{{}}}\"", argument.to_uppercase());
        assert!(labels.contains(&label), "{label} is not in {labels}");
    }
}

/// kustomize writes selectors where they are missing, but not into a budget; one without any is about no pod at all.
#[test]
fn the_budget_is_about_the_pods() {
    let labels = at(&yaml("k8s/base/kustomization.yaml"), "/labels/0").clone();
    assert_eq!(at(&labels, "/includeSelectors"), &json!(true));
    assert_eq!(at(&yaml("k8s/base/disruption.yaml"), "/spec/selector/matchLabels"), at(&labels, "/pairs"));
}
