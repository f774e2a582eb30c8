//! Whether the load was made that was planned, and reached a server.

use crate::evidence::Evidence;
use crate::reason::Reason;
use crate::summary::Summary;

/// Whether iterations came to their end and each, on average, reached a server.
pub(crate) fn judge_traffic(summary: &Summary, exceptions: u64) -> Option<Reason> {
    let iterations = summary.counter("iterations");
    let http = summary.counter("http_reqs");
    let all = http.saturating_add(summary.counter("ws_sessions"));
    let requests = summary.load_requests();
    if iterations == 0 {
        return Some(Reason::NoIteration {
            duration_ms: summary.duration_ms(),
            requests: all,
        });
    }
    if all == 0 {
        return Some(Reason::NoTraffic(iterations));
    }
    if requests == 0 {
        return Some(Reason::OnlySetupRequests {
            iterations,
            requests: all,
        });
    }
    if http > 0 && summary.failed_http_requests() >= http {
        return Some(Reason::AllRequestsFailed(http));
    }
    // An exception may have come before the request.
    (requests.saturating_add(exceptions) < iterations).then_some(Reason::FewRequests {
        iterations,
        requests,
    })
}

/// Whether virtual users and iterations were as many as planned.
pub(crate) fn judge_plan(evidence: &Evidence<'_>, summary: &Summary) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if let (Some(planned), Some(ready)) = (evidence.planned_vus, summary.vus_max())
        && planned != ready
    {
        reasons.push(Reason::VirtualUsers { planned, ready });
    }
    let dropped = summary.counter("dropped_iterations");
    if dropped > 0 {
        reasons.push(Reason::DroppedIterations {
            dropped,
            planned: dropped.saturating_add(summary.counter("iterations")),
        });
    }
    reasons
}
