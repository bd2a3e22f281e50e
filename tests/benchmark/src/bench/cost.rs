//! What a million events cost at list prices.

use serde::Serialize;

use crate::path::Mean;

/// Where the prices hold, and when they were looked up.
pub(crate) const PRICES: &str = "us-east-1, November 2026, without free tier, savings plan or tax";

/// Dollars for a GB-second of Lambda on x86.
const LAMBDA_GB_SECOND: f64 = 0.000_016_666_7;
/// Dollars for a million invocations.
const LAMBDA_REQUESTS: f64 = 0.20;
/// Dollars for a million requests to an HTTP API, of up to 512 kB each.
const HTTP_API: f64 = 1.00;
/// Dollars for a million custom events on a bus, of up to 64 kB each.
const EVENT_BRIDGE: f64 = 1.00;
/// Dollars for a million requests to a standard queue, of up to 64 kB each.
const SQS: f64 = 0.40;
/// Dollars for a million write request units, on demand.
const DYNAMODB_WRITES: f64 = 0.625;
/// Dollars for a million read request units, on demand.
const DYNAMODB_READS: f64 = 0.125;
/// Dollars for a GB of log that is taken in.
const LOGS_GB: f64 = 0.50;

/// Megabytes with which a function has one whole processor.
const MEMORY_OF_A_PROCESSOR: f64 = 1769.0;
/// What a call of AWS takes until its answer, in milliseconds: assumed, since nothing is far on one machine.
const CALL_MS: f64 = 5.0;
/// What a call of the vendor takes until its answer, in milliseconds: assumed.
const VENDOR_MS: f64 = 400.0;
/// Bytes that Lambda itself logs for an invocation (START, END, REPORT): assumed.
const PLATFORM_LOG: f64 = 320.0;

/// A line of the bill.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Line {
    /// What is paid for.
    pub(crate) what: &'static str,
    /// How the amount is reckoned, for a million events.
    pub(crate) formula: String,
    /// Dollars.
    pub(crate) dollars: f64,
}

/// The bill for a million events that went this way.
pub(crate) fn bill(mean: &Mean) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut line = |what, formula, dollars| {
        lines.push(Line {
            what,
            formula,
            dollars,
        });
    };
    line(
        "API Gateway, HTTP API",
        format!("1 request × ${HTTP_API:.2}"),
        HTTP_API,
    );
    let invocations = mean.invocations();
    line(
        "Lambda, invocations",
        format!("{invocations:.2} × ${LAMBDA_REQUESTS:.2}"),
        invocations * LAMBDA_REQUESTS,
    );
    // 256 MB get that share of a processor, so what is computed takes so much longer.
    let gigabytes = mean.memory / 1024.0;
    let slower = MEMORY_OF_A_PROCESSOR / mean.memory;
    let dollars = |ms: f64| ms / 1000.0 * gigabytes * LAMBDA_GB_SECOND * 1e6;
    let cpu = mean.cpu.median;
    line(
        "Lambda, computing",
        format!(
            "{cpu:.2} ms CPU × {MEMORY_OF_A_PROCESSOR} / {:.0} (share of a processor) × {gigabytes:.2} GB × ${LAMBDA_GB_SECOND}/GB-s",
            mean.memory
        ),
        dollars(cpu * slower),
    );
    let waits = mean.waits;
    line(
        "Lambda, waiting for AWS",
        format!(
            "{waits:.2} calls × {CALL_MS} ms (assumed) × {gigabytes:.2} GB × ${LAMBDA_GB_SECOND}/GB-s"
        ),
        dollars(waits * CALL_MS),
    );
    let vendor = mean.vendor_waits;
    line(
        "Lambda, waiting for the vendor",
        format!(
            "{vendor:.2} calls × {VENDOR_MS} ms (assumed) × {gigabytes:.2} GB × ${LAMBDA_GB_SECOND}/GB-s"
        ),
        dollars(vendor * VENDOR_MS),
    );
    line(
        "EventBridge, custom events",
        format!("{:.2} × ${EVENT_BRIDGE:.2}", mean.entries),
        mean.entries * EVENT_BRIDGE,
    );
    let requests = mean.messages + 2.0 * mean.receipts;
    line(
        "SQS, requests",
        format!(
            "({:.2} sent + {:.2} received + {:.2} deleted) × ${SQS:.2}",
            mean.messages, mean.receipts, mean.receipts
        ),
        requests * SQS,
    );
    line(
        "DynamoDB, writes",
        format!("{:.2} units × ${DYNAMODB_WRITES}", mean.write_units),
        mean.write_units * DYNAMODB_WRITES,
    );
    line(
        "DynamoDB, reads",
        format!("{:.2} units × ${DYNAMODB_READS}", mean.read_units),
        mean.read_units * DYNAMODB_READS,
    );
    let logged = mean.logged + invocations * PLATFORM_LOG;
    line(
        "CloudWatch Logs",
        format!(
            "({:.0} bytes + {invocations:.2} × {PLATFORM_LOG} (assumed) of Lambda's own) × ${LOGS_GB:.2}/GB",
            mean.logged
        ),
        logged * 1e6 / 1e9 * LOGS_GB,
    );
    lines
}

/// What all lines come to.
pub(crate) fn total(lines: &[Line]) -> f64 {
    lines.iter().map(|line| line.dollars).sum()
}
