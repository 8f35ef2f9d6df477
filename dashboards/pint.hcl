# pint --offline --config dashboards/pint.hcl lint --fail-on info dashboards/rules/*.yml
checks {
  disabled = [
    "group/interval", # weeks are read every 15 minutes; who uses what came of it asks for the last one of an hour
    "promql/nan",     # 0 / 0 where nothing ran: a comparison with NaN is false, and that is meant
  ]
}

rule {
  match { kind = "alerting" }

  label "product" {
    severity = "bug"
    required = true
    value    = "dagtrace"
  }
  label "severity" {
    severity = "bug"
    required = true
    value    = "(critical|high|medium|low|.*or \\$labels.severity \"(critical|high|medium|low)\".*)"
  }
  label "owner" {
    severity = "bug"
    required = false
    value    = "(|.*labels.owner.*)"
  }
  label "team" {
    severity = "bug"
    required = false
    value    = "(|.*labels.team.*)"
  }
  annotation "summary" {
    severity = "bug"
    required = true
  }
  annotation "description" {
    severity = "bug"
    required = true
  }
  annotation "runbook" {
    severity = "bug"
    required = true
  }
  annotation "trace" {
    severity = "bug"
    required = false
    value    = "(?s)\\{\\{ \\$externalLabels.traces \\}\\}/search\\?.+"
  }
}
