//! The container's entry point: one router behind a listener.

use std::process::ExitCode;

use tokio::net::TcpListener;
use twofold::app::App;
use twofold::config::Config;
use twofold::{http, shutdown, telemetry};

fn main() -> ExitCode {
    let config = match Config::from_process() {
        Ok(config) => config,
        Err(refusal) => return refusal.exit(),
    };
    let telemetry = telemetry::init(&config.telemetry, config.home);
    let ended = run(&config);
    if let Err(error) = &ended {
        tracing::error!(error, "stopped");
    }
    telemetry.flush();
    if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[tokio::main]
async fn run(config: &Config) -> Result<(), String> {
    let app = App::start(config).map_err(|error| error.to_string())?;
    let address = config.server.listen;
    let refused = |error| format!("TWOFOLD_LISTEN: cannot listen on {address}: {error}");
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    tracing::info!(%address, home = config.home.name(), "listening");
    let signal = shutdown::signal().map_err(|error| format!("signals cannot be waited for: {error}"))?;
    let router = app.router();
    http::serve(listener, router, async move {
        let name = signal.await;
        app.withdraw();
        tracing::info!(signal = name, "stopping");
    })
    .await
    .map_err(|error| format!("the listener failed: {error}"))
}
