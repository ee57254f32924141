//! A policy of Kubernetes itself that stories put in the way.

/// Refuses pods without an owner in these namespaces, unless a namespace says that there are no policies for it.
pub fn owner_policy(policy: &str, binding: &str, namespaces: &[&str]) -> String {
    let namespaces = namespaces.join(", ");
    format!(
        r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: {policy}}}
spec:
  failurePolicy: Fail
  matchConstraints:
    namespaceSelector: {{matchExpressions: [{{key: policies, operator: NotIn, values: [none]}}]}}
    resourceRules: [{{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}}]
  validations: [{{expression: "has(object.metadata.labels) && 'owner' in object.metadata.labels", message: every pod needs an owner}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: {binding}}}
spec:
  policyName: {policy}
  validationActions: [Deny]
  matchResources:
    namespaceSelector: {{matchExpressions: [{{key: kubernetes.io/metadata.name, operator: In, values: [{namespaces}]}}]}}
"#
    )
}
