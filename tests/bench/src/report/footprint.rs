//! The table of what the pods of agent and gateway use.

use super::{most, provenance};
use crate::results::Footprint;

/// One row per pod and phase.
pub(super) fn table(footprint: &Footprint) -> String {
    let mut lines = vec![
        "| Pod | limits | while | seconds | CPU, m | periods throttled, % | throttled, s | memory, MiB | peak so far, MiB |"
            .to_owned(),
        "|---|---|---|---:|---:|---:|---:|---:|---:|".to_owned(),
    ];
    for pod in &footprint.pods {
        for phase in &pod.phases {
            lines.push(format!(
                "| `{}` | {}, {} | {} | {} | {} | {} | {} | {} | {} |",
                pod.name,
                pod.cpu_limit,
                pod.memory_limit,
                phase.what,
                phase.seconds.shown(),
                phase.cpu.shown(),
                phase.throttled_periods.shown(),
                phase.throttled_seconds.shown(),
                phase.memory.shown(),
                most(&phase.peak),
            ));
        }
    }
    lines.push(format!(
        "\nContainers that were ended and started again, for memory or anything else: {}. The cluster holds {} generated \
         objects; backups are of all of them.",
        footprint.restarts,
        crate::statistics::number(footprint.objects as f64)
    ));
    lines.push(format!("\nMeasured {}.", provenance(&footprint.environment)));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::PodUse;

    #[test]
    fn throttling_is_told_beside_the_limit() {
        let mut pod = PodUse {
            name: "cofferdam-agent".to_owned(),
            cpu_limit: "5m".to_owned(),
            memory_limit: "64Mi".to_owned(),
            phases: Vec::new(),
        };
        let phase = pod.phase("idle");
        phase.cpu.add(4.5);
        phase.throttled_periods.add(80.0);

        let text = table(&Footprint { pods: vec![pod], ..Footprint::default() });

        assert!(text.contains("| `cofferdam-agent` | 5m, 64Mi | idle | – | 4.50 | 80.0 | – |"), "{text}");
    }
}
