use super::*;

fn parse(args: &[&str], vars: &[(&str, &str)]) -> Result<Config, Refusal> {
    let vars = vars.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    Config::parse(["server"].iter().chain(args), vars)
}

fn refused(args: &[&str], vars: &[(&str, &str)]) -> String {
    let refusal = parse(args, vars).unwrap_err();
    assert_eq!(refusal.exit_code(), 64, "{refusal}");
    refusal.to_string()
}

fn entry(name: Option<&str>, reference: &str) -> ModelEntry {
    ModelEntry { name: name.map(str::to_owned), reference: reference.to_owned() }
}

#[test]
fn defaults_hold_where_nothing_is_said() {
    let config = parse(&[], &[("PATH", "/bin"), ("OTHER_TWOFOLD_X", "1")]).unwrap();
    assert_eq!(
        config.server,
        Server {
            listen: "127.0.0.1:8080".parse().unwrap(),
            connections: 10_000,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(5),
        }
    );
    assert_eq!(config.models, [entry(None, "embedded:digits")]);
    assert_eq!(config.http, Http { admin: false, body_limit: 6 << 20, body_memory: 128 << 20 });
    assert_eq!(config.telemetry, Telemetry { filter: "info".parse().unwrap(), format: LogFormat::Auto });
    assert_eq!(config.home, Home::Local);
}

#[test]
fn a_variable_beats_the_default_and_a_flag_beats_the_variable() {
    let vars = [
        ("TWOFOLD_LISTEN", "[::]:1"),
        ("TWOFOLD_MODELS", "a=dir:/a,b=dir:/b"),
        ("TWOFOLD_BODY_LIMIT", "512KiB"),
        ("TWOFOLD_LOG", "warn,twofold::http=debug"),
        ("TWOFOLD_LOG_FORMAT", "text"),
    ];
    let config = parse(&[], &vars).unwrap();
    assert_eq!(config.server.listen, "[::]:1".parse().unwrap());
    assert_eq!(config.models, [entry(Some("a"), "dir:/a"), entry(Some("b"), "dir:/b")]);
    assert_eq!(config.http.body_limit, 512 * 1024);
    assert_eq!(config.telemetry.filter, "warn,twofold::http=debug".parse().unwrap());
    assert_eq!(config.telemetry.format, LogFormat::Text);

    let flags =
        ["--listen=0.0.0.0:2", "--models", "dir:/c", "--body-limit", "7", "--log=off", "--log-format=json"];
    let config = parse(&flags, &vars).unwrap();
    assert_eq!(config.server.listen, "0.0.0.0:2".parse().unwrap());
    assert_eq!(config.models, [entry(None, "dir:/c")]);
    assert_eq!(config.http.body_limit, 7);
    assert_eq!(config.telemetry.filter, "off".parse().unwrap());
    assert_eq!(config.telemetry.format, LogFormat::Json);
}

#[test]
fn the_home_is_told_by_its_own_variables() {
    let home = |vars: &[(&str, &str)]| parse(&[], vars).unwrap().home.name();
    assert_eq!(home(&[]), "local");
    assert_eq!(home(&[("KUBERNETES_SERVICE_HOST", "10.0.0.1")]), "kubernetes");
    assert_eq!(home(&[("AWS_LAMBDA_FUNCTION_NAME", "digits")]), "lambda");
    assert_eq!(
        home(&[("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"), ("KUBERNETES_SERVICE_HOST", "x")]),
        "lambda"
    );
}

#[test]
fn packages_have_a_folder_and_hosts() {
    let packages = |vars: &[(&str, &str)]| parse(&[], vars).map(|config| config.packages);
    let default = packages(&[("HOME", "/home/me")]).unwrap();
    assert!(default.cache.ends_with("twofold") && default.cache.is_absolute());
    assert_eq!((default.cache_limit, default.plain_http), (2 << 30, vec!["loopback".to_owned()]));
    assert_eq!(default.docker, Some("/home/me/.docker/config.json".into()));
    let given = packages(&[
        ("TWOFOLD_CACHE", "/var/cache/models"),
        ("TWOFOLD_CACHE_LIMIT", "1GiB"),
        ("TWOFOLD_PLAIN_HTTP", "none"),
        ("TWOFOLD_ECR_HOSTS", "127.0.0.1:5000, ecr.example"),
        ("DOCKER_CONFIG", "/docker"),
    ]);
    let expected = Packages {
        cache: "/var/cache/models".into(),
        cache_limit: 1 << 30,
        plain_http: vec![],
        ecr_hosts: vec!["127.0.0.1:5000".into(), "ecr.example".into()],
        docker: Some("/docker/config.json".into()),
    };
    assert_eq!(given, Ok(expected));
    for (name, value, reason) in [
        ("TWOFOLD_CACHE", "cache", "expected an absolute path, or temporary"),
        (
            "TWOFOLD_PLAIN_HTTP",
            "a.b,http://c",
            "expected HOST or HOST:PORT, comma-separated, or none, instead of 'http://c'",
        ),
    ] {
        assert_eq!(refused(&[], &[(name, value)]), format!("{name}: '{value}' is refused: {reason}"));
    }
}

#[test]
fn what_lambda_sets_is_read_whole_or_refused() {
    let all = [
        ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"),
        ("AWS_LAMBDA_FUNCTION_NAME", "digits"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
    ];
    let parse = |vars: &[(&str, &str)]| {
        Lambda::parse(vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
            .map_err(|refusal| (refusal.exit_code(), refusal.to_string()))
    };
    assert_eq!(parse(&all), Ok(Lambda { runtime_api: "127.0.0.1:9001".to_owned() }));
    for at in 0..all.len() {
        let name = all[at].0;
        let said =
            format!("{name}: not set: this binary is started by AWS Lambda; elsewhere, start `server`");
        let mut vars = all.to_vec();
        vars[at].1 = "";
        assert_eq!(parse(&vars), Err((64, said.clone())));
        vars.remove(at);
        assert_eq!(parse(&vars), Err((64, said)));
    }
    let mut vars = all;
    vars[3].1 = "much";
    let said = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE: 'much' is refused: expected a number of MB".to_owned();
    assert_eq!(parse(&vars), Err((64, said)));
}

#[test]
fn bad_values_are_refused_by_the_name_that_they_were_given_under() {
    for (variable, flag, value, reason) in [
        (
            "TWOFOLD_LISTEN",
            "--listen",
            "localhost",
            "expected an IP address and a port, such as 127.0.0.1:8080 or [::]:8080",
        ),
        (
            "TWOFOLD_LISTEN",
            "--listen",
            "",
            "expected an IP address and a port, such as 127.0.0.1:8080 or [::]:8080",
        ),
        ("TWOFOLD_LOG_FORMAT", "--log-format", "JSON", "expected auto, json or text"),
        (
            "TWOFOLD_LOG",
            "--log",
            "inof",
            "expected off, error, warn, info, debug or trace instead of 'inof', as in info or info,twofold::http=debug",
        ),
        ("TWOFOLD_LOG", "--log", "=info", "expected a target before the = of '=info'"),
        ("TWOFOLD_MODELS", "--models", "", "expected [NAME=]REFERENCE, comma-separated, instead of ''"),
        ("TWOFOLD_MODELS", "--models", "a=", "expected [NAME=]REFERENCE, comma-separated, instead of 'a='"),
        ("TWOFOLD_MODELS", "--models", "a=dir:/a,a=dir:/b", "the name 'a' is given twice"),
        ("TWOFOLD_MODELS", "--models", "dir:/a,dir:/a", "'dir:/a' is listed twice"),
        (
            "TWOFOLD_MODELS",
            "--models",
            "a b=dir:/a",
            "expected a name of letters, digits, _, - and . that begins with none of - and . instead of 'a b'",
        ),
    ] {
        let expected = format!("{variable}: '{value}' is refused: {reason}");
        assert_eq!(refused(&[], &[(variable, value)]), expected);
        let expected = format!("{flag}: '{value}' is refused: {reason}");
        assert_eq!(refused(&[&format!("{flag}={value}")], &[]), expected);
    }
}

#[test]
fn sizes_are_bytes_or_binary_units() {
    let limit = |value: &str| {
        parse(&["--body-memory=3GiB"], &[("TWOFOLD_BODY_LIMIT", value)]).map(|config| config.http.body_limit)
    };
    assert_eq!(limit("1"), Ok(1));
    assert_eq!(limit("3KiB"), Ok(3 << 10));
    assert_eq!(limit("3MiB"), Ok(3 << 20));
    assert_eq!(limit("3GiB"), Ok(3 << 30));
    let hostile = [
        "",
        "0",
        "0MiB",
        "-1",
        "+1",
        "1.5MiB",
        "6MB",
        "6 MiB",
        "MiB",
        "6mib",
        "18446744073709551616",
        "17179869184GiB",
    ];
    for value in hostile {
        assert_eq!(
            limit(value).unwrap_err().to_string(),
            format!(
                "TWOFOLD_BODY_LIMIT: '{value}' is refused: expected a size above zero, such as 6MiB, 512KiB, 1GiB or 6291456"
            )
        );
    }
}

#[test]
fn connections_are_counted_and_only_the_drain_may_take_no_time() {
    let server = |name: &str, value: &str| {
        parse(&[], &[(name, value)]).map(|config| config.server).map_err(|refusal| refusal.to_string())
    };
    let drain = |value: &str| server("TWOFOLD_DRAIN", value).map(|server| server.drain);
    assert_eq!(drain("0s"), Ok(Duration::ZERO));
    assert_eq!(drain("2m"), Ok(Duration::from_mins(2)));
    let expected = "expected a time from 1ms to 24 hours, such as 20s, 500ms or 2m";
    for value in ["", "0", "5", "-5s", "1.5s", "25h", "1441m"] {
        let refused = format!("TWOFOLD_DRAIN: '{value}' is refused: {expected}, or 0s for none");
        assert_eq!(drain(value), Err(refused));
    }
    for name in ["TWOFOLD_HEADER_TIMEOUT", "TWOFOLD_BODY_TIMEOUT"] {
        assert!(server(name, "1ms").is_ok());
        assert_eq!(server(name, "0s"), Err(format!("{name}: '0s' is refused: {expected}")));
    }
    assert_eq!(server("TWOFOLD_CONNECTIONS", "1").map(|server| server.connections), Ok(1));
    for value in ["", "0", "-1", "1k", "1000001", "18446744073709551616"] {
        assert_eq!(
            server("TWOFOLD_CONNECTIONS", value),
            Err(format!(
                "TWOFOLD_CONNECTIONS: '{value}' is refused: expected a number of connections from 1 to 1000000"
            ))
        );
    }
}

#[test]
fn a_bad_variable_is_refused_even_where_a_flag_beats_it() {
    assert_eq!(
        refused(&["--body-limit=1"], &[("TWOFOLD_BODY_LIMIT", "x")]),
        "TWOFOLD_BODY_LIMIT: 'x' is refused: expected a size above zero, such as 6MiB, 512KiB, 1GiB or 6291456"
    );
}

#[test]
fn what_does_not_exist_is_refused_by_name() {
    for (name, nearest) in [
        ("TWOFOLD_LISTN", "TWOFOLD_LISTEN"),
        ("TWOFOLD_MODEL", "TWOFOLD_MODELS"),
        ("TWOFOLD_BODYLIMIT", "TWOFOLD_BODY_LIMIT"),
        ("TWOFOLD_LOGS", "TWOFOLD_LOG"),
        ("TWOFOLD_LOGFORMAT", "TWOFOLD_LOG_FORMAT"),
        ("TWOFOLD_listen", "TWOFOLD_LISTEN"),
    ] {
        assert_eq!(
            refused(&[], &[(name, "1")]),
            format!("{name}: there is no such setting; did you mean {nearest}?")
        );
    }
    assert_eq!(refused(&["--lisen=1"], &[]), "unexpected argument '--lisen' found; see --help");
    assert_eq!(refused(&["digits"], &[]), "unexpected argument 'digits' found; see --help");
    assert_eq!(
        refused(&["--listen"], &[]),
        "a value is required for '--listen <ADDRESS>' but none was supplied; see --help"
    );
}

#[test]
fn links_to_a_service_of_the_same_name_are_not_settings_on_kubernetes() {
    let links = [
        ("TWOFOLD_SERVICE_HOST", "10.0.0.2"),
        ("TWOFOLD_SERVICE_PORT", "80"),
        ("TWOFOLD_SERVICE_PORT_HTTP", "80"),
        ("TWOFOLD_PORT", "tcp://10.0.0.2:80"),
        ("TWOFOLD_PORT_80_TCP_ADDR", "10.0.0.2"),
        ("TWOFOLD_DIGITS_SERVICE_HOST", "10.0.0.3"),
        ("TWOFOLD_DIGITS_PORT_80_TCP", "tcp://10.0.0.3:80"),
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
    ];
    assert_eq!(parse(&[], &links).unwrap().home, Home::Kubernetes);
    assert_eq!(
        refused(&[], &links[..1]),
        "TWOFOLD_SERVICE_HOST: there is no such setting; did you mean TWOFOLD_ECR_HOSTS?"
    );
    assert_eq!(
        refused(&[], &[("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("TWOFOLD_PORT", "80")]),
        "TWOFOLD_PORT: there is no such setting; did you mean TWOFOLD_LOG?"
    );
}

#[cfg(unix)]
#[test]
fn a_setting_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let bad = || OsString::from_vec(vec![b'a', 0xff]);
    let vars = variables::as_text([(bad(), "x".into()), ("OTHER".into(), bad())].into_iter());
    assert_eq!(vars, Ok(vec![]));
    let refusal = variables::as_text([("TWOFOLD_MODELS".into(), bad())].into_iter()).unwrap_err();
    assert_eq!(refusal.to_string(), "TWOFOLD_MODELS: 'a\u{fffd}' is refused: expected UTF-8");
}

#[test]
fn help_and_version_are_answers() {
    let version = parse(&["--version"], &[]).unwrap_err();
    assert_eq!(
        (version.exit_code(), version.to_string()),
        (0, format!("twofold {}", env!("CARGO_PKG_VERSION")))
    );
    let help = parse(&["--help"], &[("TWOFOLD_LISTEN", "nowhere")]).unwrap_err();
    assert_eq!(help.exit_code(), 0);
    assert_eq!(
        help.to_string(),
        r"Serves ONNX models over the Open Inference Protocol

Usage: server [OPTIONS]

Options:
      --listen <ADDRESS>
          Address of the server [env: TWOFOLD_LISTEN] [default: 127.0.0.1:8080]
      --connections <NUMBER>
          Open connections, at most; more wait until one is closed [env: TWOFOLD_CONNECTIONS] [default: 10000]
      --header-timeout <TIME>
          Time to send a request's head: s, ms or m [env: TWOFOLD_HEADER_TIMEOUT] [default: 10s]
      --body-timeout <TIME>
          Time to send a request's body, and to take an answer [env: TWOFOLD_BODY_TIMEOUT] [default: 30s]
      --drain <TIME>
          Time that the server still serves, while not ready, after it was asked to stop; 0s is none [env: TWOFOLD_DRAIN] [default: 5s]
      --models <LIST>
          Models to serve: comma-separated [NAME=]REFERENCE [env: TWOFOLD_MODELS] [default: embedded:digits]
      --cache <PATH>
          Folder of pulled packages: a path, or temporary for twofold in the system's temporary folder [env: TWOFOLD_CACHE] [default: temporary]
      --cache-limit <SIZE>
          Size of that folder, at most; the least recently used packages go first [env: TWOFOLD_CACHE_LIMIT] [default: 2GiB]
      --plain-http <LIST>
          Registries spoken to without TLS: comma-separated HOST or HOST:PORT, loopback for this machine, or none [env: TWOFOLD_PLAIN_HTTP] [default: loopback]
      --ecr-hosts <LIST>
          Hosts that take ECR's credentials besides ECR's own: comma-separated HOST or HOST:PORT, or none [env: TWOFOLD_ECR_HOSTS] [default: none]
      --admin <SWITCH>
          Loading and unloading of models by the repository API: on or off [env: TWOFOLD_ADMIN] [default: off]
      --body-limit <SIZE>
          Largest request body, after decompression: bytes, or a number of KiB, MiB or GiB [env: TWOFOLD_BODY_LIMIT] [default: 6MiB]
      --body-memory <SIZE>
          What the bodies of all requests may take at once, as sent, inflated, as tensors and as answers; beyond it: 429 [env: TWOFOLD_BODY_MEMORY] [default: 128MiB]
      --threads <COUNT>
          Threads that compute what is not small: a number, or cores for as many as this process has [env: TWOFOLD_THREADS] [default: cores]
      --queue <COUNT>
          Requests to one model that may wait for a thread; further ones are answered with 429 [env: TWOFOLD_QUEUE] [default: 256]
      --deadline <TIME>
          Time from a request's last byte to its answer; then it is answered with 504 [env: TWOFOLD_DEADLINE] [default: 20s]
      --log <FILTER>
          Filter of the log: a level (off, error, warn, info, debug, trace), then any number of TARGET=LEVEL [env: TWOFOLD_LOG] [default: info]
      --log-format <FORMAT>
          Form of the log: json, text, or auto, which is text on a terminal and json elsewhere [env: TWOFOLD_LOG_FORMAT] [default: auto]
      --check
          Serve nothing: ask the server at that address whether it is ready, and exit with 0 or 1
  -h, --help
          Print help
  -V, --version
          Print version"
    );
}

#[test]
fn every_setting_is_listed_once() {
    let settings: Vec<Setting> = Config::settings().collect();
    let names: Vec<&str> = settings.iter().map(|setting| setting.variable.as_str()).collect();
    assert_eq!(
        names,
        [
            "TWOFOLD_LISTEN",
            "TWOFOLD_CONNECTIONS",
            "TWOFOLD_HEADER_TIMEOUT",
            "TWOFOLD_BODY_TIMEOUT",
            "TWOFOLD_DRAIN",
            "TWOFOLD_MODELS",
            "TWOFOLD_CACHE",
            "TWOFOLD_CACHE_LIMIT",
            "TWOFOLD_PLAIN_HTTP",
            "TWOFOLD_ECR_HOSTS",
            "TWOFOLD_ADMIN",
            "TWOFOLD_BODY_LIMIT",
            "TWOFOLD_BODY_MEMORY",
            "TWOFOLD_THREADS",
            "TWOFOLD_QUEUE",
            "TWOFOLD_DEADLINE",
            "TWOFOLD_LOG",
            "TWOFOLD_LOG_FORMAT",
        ]
    );
    assert_eq!(
        settings[11],
        Setting {
            variable: "TWOFOLD_BODY_LIMIT".into(),
            flag: "--body-limit".into(),
            default: "6MiB".into(),
            meaning: "Largest request body, after decompression: bytes, or a number of KiB, MiB or GiB"
                .into(),
        }
    );
}

#[test]
fn counts_and_times_are_refused_by_name() {
    assert_eq!(parse(&["--threads", "3"], &[]).unwrap().compute.threads, 3);
    assert!(parse(&["--threads", "cores"], &[]).unwrap().compute.threads >= 1);
    assert_eq!(parse(&[], &[("TWOFOLD_DEADLINE", "500ms")]).unwrap().compute.deadline.as_millis(), 500);
    assert_eq!(parse(&[], &[("TWOFOLD_DEADLINE", "2m")]).unwrap().compute.deadline.as_secs(), 120);
    for value in ["0", "1025", "many", "-1"] {
        assert_eq!(
            refused(&[], &[("TWOFOLD_THREADS", value)]),
            format!(
                "TWOFOLD_THREADS: '{value}' is refused: expected a number of threads from 1 to 1024, or cores"
            )
        );
    }
    assert_eq!(
        refused(&[], &[("TWOFOLD_QUEUE", "0")]),
        "TWOFOLD_QUEUE: '0' is refused: expected a whole number above zero"
    );
    for value in ["0s", "20", "1.5s", "25h", "99999999999999999999s", "s"] {
        assert_eq!(
            refused(&[], &[("TWOFOLD_DEADLINE", value)]),
            format!(
                "TWOFOLD_DEADLINE: '{value}' is refused: expected a time from 1ms to 24 hours, such as 20s, 500ms or 2m"
            )
        );
    }
}

#[test]
fn a_memory_for_all_bodies_takes_one_at_least() {
    let memory = |args: &[&str]| parse(args, &[]).map(|config| config.http.body_memory);
    assert_eq!(memory(&["--body-memory=6MiB"]), Ok(6 << 20));
    assert_eq!(memory(&["--body-memory=1KiB", "--body-limit=1KiB"]), Ok(1 << 10));
    assert_eq!(
        refused(&["--body-memory=1KiB"], &[]),
        "TWOFOLD_BODY_MEMORY: 1024 bytes are refused: one body may have 6291456, by TWOFOLD_BODY_LIMIT"
    );
    assert_eq!(
        refused(&[], &[("TWOFOLD_BODY_LIMIT", "1GiB")]),
        "TWOFOLD_BODY_MEMORY: 134217728 bytes are refused: one body may have 1073741824, by TWOFOLD_BODY_LIMIT"
    );
}

#[test]
fn the_check_is_an_option_of_the_command_line_only() {
    assert!(!parse(&[], &[]).unwrap().check);
    let config = parse(&["--check"], &[("TWOFOLD_LISTEN", "0.0.0.0:9")]).unwrap();
    assert_eq!((config.check, config.server.listen.port()), (true, 9));
    assert_eq!(
        refused(&[], &[("TWOFOLD_CHECK", "1")]),
        "TWOFOLD_CHECK: there is no such setting; did you mean TWOFOLD_CACHE?"
    );
    let lambda = ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001");
    assert_eq!(refused(&["--check"], &[lambda]), "--check: refused: on Lambda there is no server to ask");
}

#[test]
fn administration_is_refused_on_lambda() {
    assert!(parse(&["--admin", "on"], &[]).unwrap().http.admin);
    let lambda = ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001");
    assert_eq!(
        refused(&[], &[("TWOFOLD_ADMIN", "on"), lambda]),
        "TWOFOLD_ADMIN: 'on' is refused: on Lambda each environment would have models of its own"
    );
    assert_eq!(refused(&["--admin=yes"], &[]), "--admin: 'yes' is refused: expected on or off");
}
