//! Finds the function's process behind a connection, and kills it as an out-of-memory error would.

use std::path::Path;

/// Kills the process that holds the local end of a TCP connection with this port.
pub(crate) async fn kill_owner_of_port(port: u16) {
    let pid = owner_of_port(port).unwrap_or_else(|| panic!("no process of ours holds port {port}"));
    let status = tokio::process::Command::new("kill")
        .args(["-KILL", &pid.to_string()])
        .status()
        .await
        .unwrap();
    assert!(status.success());
}

fn owner_of_port(port: u16) -> Option<u32> {
    let inode = inode_of_port(port)?;
    let wanted = format!("socket:[{inode}]");
    std::fs::read_dir("/proc")
        .ok()?
        .flatten()
        .find_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            // Only a function of the bundle, whatever else runs here.
            let executable = std::fs::read_link(entry.path().join("exe")).ok()?;
            (executable.file_name()? == "bootstrap" && holds(&entry.path(), &wanted)).then_some(pid)
        })
}

fn holds(process: &Path, socket: &str) -> bool {
    std::fs::read_dir(process.join("fd")).is_ok_and(|files| {
        files.flatten().any(|file| {
            std::fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == socket)
        })
    })
}

/// The socket of the connection whose local port this is (`/proc/net/tcp`: local address in the second
/// column, as hexadecimal `address:port`; inode in the tenth).
fn inode_of_port(port: u16) -> Option<String> {
    let local = format!(":{port:04X}");
    std::fs::read_to_string("/proc/net/tcp")
        .ok()?
        .lines()
        .skip(1)
        .find_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let inode = *columns.get(9)?;
            (columns.get(1)?.ends_with(&local) && inode != "0").then(|| inode.to_owned())
        })
}
