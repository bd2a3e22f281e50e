//! Serves the vendor sandbox on loopback until it is told to stop.

use std::io::{self, Write};

use clap::Parser;
use sandbox::Sandbox;
use tokio::signal::unix::{SignalKind, signal};

/// Stands in for ServiceNow, Zendesk, Qualtrics and TeamViewer on loopback; prints its base URL when ready.
#[derive(Parser)]
struct Arguments {
    /// Port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let sandbox = Sandbox::start_on(arguments.port).await?;
    writeln!(io::stdout(), "{}", sandbox.base_url())?;
    // A client with an open connection must not keep the process alive, so the runtime ends without waiting for it.
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    Ok(())
}
