//! What a million events cost at list prices.

use serde::Serialize;

use crate::way::{Mean, Waits};

/// Where and when the prices hold.
pub const PRICES: &str = "us-east-1, November 2026, without free tier, savings plan or tax";

/// Dollars for a GB-second of Lambda on x86: <https://aws.amazon.com/lambda/pricing/>.
const LAMBDA_GB_SECOND: f64 = 0.000_016_666_7;
/// Dollars for a million invocations.
const LAMBDA_REQUESTS: f64 = 0.20;
/// Dollars for a million requests to an HTTP API, of up to 512 kB each: <https://aws.amazon.com/api-gateway/pricing/>.
const HTTP_API: f64 = 1.00;
/// Dollars for a million custom events on a bus, of up to 64 kB each: <https://aws.amazon.com/eventbridge/pricing/>.
const EVENT_BRIDGE: f64 = 1.00;
/// Dollars for a million requests to a standard queue, of up to 64 kB each: <https://aws.amazon.com/sqs/pricing/>.
const SQS: f64 = 0.40;
/// Dollars for a million write request units, on demand: <https://aws.amazon.com/dynamodb/pricing/on-demand/>.
const DYNAMODB_WRITES: f64 = 0.625;
/// Dollars for a million read request units, on demand.
const DYNAMODB_READS: f64 = 0.125;
/// Dollars for a GB of log that is taken in: <https://aws.amazon.com/cloudwatch/pricing/>.
const LOGS_GB: f64 = 0.50;

/// Megabytes with which a function has one whole processor:
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>.
const MEMORY_OF_A_PROCESSOR: f64 = 1769.0;
/// Milliseconds by which an invocation is rounded up, on average: whole ones are paid for.
const ROUNDED_UP: f64 = 0.5;
/// Bytes that Lambda itself logs for an invocation (START, END, REPORT): assumed.
const PLATFORM_LOG: f64 = 320.0;
/// Bytes that API Gateway logs for a request, in the template's format: assumed.
const ACCESS_LOG: f64 = 200.0;

/// A line of the bill.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// What is paid for.
    pub what: String,
    /// How the amount is reckoned, for a million events.
    pub formula: String,
    /// Dollars.
    pub dollars: f64,
}

/// The bill for a million events that went this way.
pub fn bill(mean: &Mean) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut line = |what: &str, formula, dollars| {
        lines.push(Line {
            what: what.to_owned(),
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
        "Lambda, requests",
        format!("{invocations:.2} × ${LAMBDA_REQUESTS:.2}"),
        invocations * LAMBDA_REQUESTS,
    );
    for (name, part) in &mean.parts {
        // Whoever has a share of a processor takes so much longer to compute.
        let memory = part.memory.max(1);
        let memory = f64::from(u32::try_from(memory).unwrap_or(u32::MAX));
        let gigabytes = memory / 1024.0;
        let slower = (MEMORY_OF_A_PROCESSOR / memory).max(1.0);
        let (cpu, waiting) = (part.cpu, part.waiting);
        let ms = cpu * slower + waiting + part.invocations * ROUNDED_UP;
        line(
            &format!("Lambda, time of {name}"),
            format!(
                "({cpu:.2} ms CPU × {slower:.2} + {waiting:.1} ms waiting + {:.2} × {ROUNDED_UP} ms rounded up) = {ms:.1} ms × \
                 {gigabytes:.3} GB × ${LAMBDA_GB_SECOND}/GB-s",
                part.invocations
            ),
            ms / 1000.0 * gigabytes * LAMBDA_GB_SECOND * 1e6,
        );
    }
    line(
        "EventBridge, custom events",
        format!("{:.2} × ${EVENT_BRIDGE:.2}", mean.events),
        mean.events * EVENT_BRIDGE,
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
    let logged = mean.logged + invocations * PLATFORM_LOG + ACCESS_LOG;
    line(
        "CloudWatch Logs",
        format!(
            "({:.0} bytes + {invocations:.2} × {PLATFORM_LOG} of Lambda's own + {ACCESS_LOG} of API Gateway's, assumed) × ${LOGS_GB:.2}/GB",
            mean.logged
        ),
        logged * 1e6 / 1e9 * LOGS_GB,
    );
    lines
}

/// What is assumed in a bill, and what is not in it.
pub fn assumptions() -> String {
    let Waits { aws_ms, vendor_ms } = Waits::USUAL;
    format!(
        "Amounts are per event, so that a price for a million is a price for a million events. A function with less than {MEMORY_OF_A_PROCESSOR} \
         MB has that share of a processor and computes as much longer. How long functions wait was measured with answers that come \
         after {aws_ms} ms from AWS and after {vendor_ms} ms from the vendor, which is assumed. Not in it: starts of functions, storage, \
         Secrets Manager (a warm function asks every few minutes), receiving from empty queues, alarms."
    )
}

/// What all lines come to.
pub fn total(lines: &[Line]) -> f64 {
    lines.iter().map(|line| line.dollars).sum()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::spread::Spread;
    use crate::way::Part;

    fn mean() -> Mean {
        let part = |memory, cpu, invocations, waiting| Part {
            memory,
            cpu,
            invocations,
            waiting,
        };
        Mean {
            batch: 1,
            cpu: Spread::default(),
            wall: Spread::default(),
            parts: BTreeMap::from([
                ("ingest", part(256, 1.0, 1.0, 10.0)),
                ("large", part(3538, 2.0, 2.0, 100.0)),
            ]),
            calls: Vec::new(),
            messages: 4.0,
            receipts: 2.0,
            events: 3.0,
            read_units: 8.0,
            write_units: 16.0,
            logged: 840.0,
        }
    }

    #[test]
    fn every_line_is_what_its_formula_says() {
        let lines = bill(&mean());
        let dollars = |what: &str| lines.iter().find(|line| line.what == what).unwrap().dollars;
        for (what, expected) in [
            ("API Gateway, HTTP API", 1.0),
            ("Lambda, requests", 0.6),
            // (1 × 6.910 + 10 + 0.5) ms × 0.25 GB.
            ("Lambda, time of ingest", 17.410_156 * 0.25 * 0.016_666_7),
            // Two processors do not make one thread quicker: (2 + 100 + 1) ms × 3.455 GB.
            ("Lambda, time of large", 103.0 * 3.455_078 * 0.016_666_7),
            ("EventBridge, custom events", 3.0),
            ("SQS, requests", 8.0 * 0.4),
            ("DynamoDB, writes", 10.0),
            ("DynamoDB, reads", 1.0),
            // 840 + 3 × 320 + 200 bytes are 2 kB, of a million 2 GB.
            ("CloudWatch Logs", 1.0),
        ] {
            let found = dollars(what);
            assert!((found - expected).abs() < 1e-4, "{what}: {found}");
        }
        let sum: f64 = lines.iter().map(|line| line.dollars).sum();
        assert!((total(&lines) - sum).abs() < 1e-9);
        assert_eq!(lines.len(), 9);
    }
}
