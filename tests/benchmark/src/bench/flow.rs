//! The same review to the same ticket in Node-RED: one long-running process instead of functions. It keeps nothing of an event,
//! so an event is lost with the process, and one that is sent twice makes two tickets once the vendor has forgotten its key.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use benchmark::figures::{Flow, Rounds};
use benchmark::spread::{Spread, milliseconds};
use serde_json::Value;

use crate::compared::printed;
use crate::measure::size;
use crate::process::Process;
use crate::scene::Scene;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Measures Node-RED, which is installed in a folder.
pub(crate) async fn flow(
    scene: &Scene,
    node: &str,
    installed: &Path,
    rounds: Rounds,
) -> anyhow::Result<Flow> {
    let node = printed(node, &["-p", "process.execPath"])?;
    let ours = scene.root().join("benches/node-red").canonicalize()?;
    let modules = installed.join("node_modules").canonicalize()?;
    let red = modules.join("node-red/red.js");
    let home = scene.logs().join("node-red-home");
    std::fs::create_dir_all(&home)?;
    std::fs::copy(ours.join("flows.json"), home.join("flows.json"))?;
    let home = home.canonicalize()?;
    // Free a moment ago; nobody else is told of it.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let text = |path: &Path| path.display().to_string();
    let settings = text(&ours.join("settings.js"));
    let command = [
        node,
        text(&red),
        "--settings".to_owned(),
        settings,
        "--userDir".to_owned(),
        text(&home),
    ];
    let (zendesk, authorization) = scene.zendesk();
    let variables = [
        ("PORT", port.to_string()),
        ("ZENDESK_URL", zendesk),
        ("ZENDESK_AUTHORIZATION", authorization),
        ("HOME", text(&home)),
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("NODE_ENV", "production".to_owned()),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value));
    let began = Instant::now();
    let mut process = Process::start(&command, variables, &scene.logs().join("node-red.log"))?;
    let mut connection = loop {
        // It listens before its flows run: until then it says that nothing is there.
        if let Ok(mut connection) = Connection::open(port)
            && connection.post(&scene.webhook(0)?["body"])? == 202
        {
            break connection;
        }
        ensure!(began.elapsed() < PATIENCE, "Node-RED does not answer");
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let start_wall = milliseconds(began.elapsed());
    let start_cpu = milliseconds(process.rest().await?);
    let (mut walls, mut cpus) = (Vec::new(), Vec::new());
    for number in 1..=rounds.before + rounds.alone {
        let body = scene.webhook(number)?["body"].clone();
        let sent = Instant::now();
        let status = tokio::task::block_in_place(|| connection.post(&body))?;
        ensure!(status == 202, "Node-RED answered {status}");
        let wall = sent.elapsed();
        let cpu = process.rest().await?;
        if number > rounds.before {
            walls.push(wall);
            cpus.push(cpu);
        }
    }
    scene
        .check_tickets(1 + rounds.before + rounds.alone)
        .await?;
    Ok(Flow {
        size: size(&modules)?,
        start_wall,
        start_cpu,
        event_cpu: Spread::of(cpus),
        event_wall: Spread::of(walls),
        peak_memory: process.peak_memory()?,
    })
}

/// One connection that stays, which is all the HTTP that is needed here.
#[derive(Debug)]
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Posts a review and tells the status of the answer.
    fn post(&mut self, body: &Value) -> anyhow::Result<u16> {
        let body = body.as_str().context("a review is a text")?;
        write!(
            self.0.get_mut(),
            "POST /events/demo-reviews HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let (mut status, mut length) = (None, 0);
        loop {
            let mut line = String::new();
            ensure!(self.0.read_line(&mut line)? > 0, "no answer");
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(version) = line.strip_prefix("http/1.1 ") {
                status = version.split(' ').next().and_then(|code| code.parse().ok());
            } else if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            } else if line.starts_with("transfer-encoding:") {
                bail!("an answer in chunks");
            }
        }
        std::io::copy(&mut self.0.by_ref().take(length), &mut std::io::sink())?;
        status.context("no status")
    }
}
