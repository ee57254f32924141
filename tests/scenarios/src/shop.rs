//! An application with a claim whose content tells whether it is the old one, and a hook that holds its backups up.

/// The manifests: namespace `shop`, pod `app`, and `/data/words` in its volume, written once.
pub const SHOP: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: words, namespace: shop}
data: {greeting: hello}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: shop}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 64Mi}}, storageClassName: standard}
---
apiVersion: v1
kind: Pod
metadata: {name: app, namespace: shop, labels: {app: app}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: app
      image: cofferdam.test/shell:1
      imagePullPolicy: IfNotPresent
      command: [sh, -c, \"[ -e /data/words ] || echo 'kept in the volume' > /data/words; sync; exec sleep 1000000\"]
      volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
";

/// A hook that holds a backup of the shop up for as long as there is `/tmp/slow` in its pod, and says by `/tmp/held` that it
/// does.
pub const SLOW: &str = "
apiVersion: clusterbackup.dataprotection.microsoft.com/v1alpha1
kind: BackupHook
metadata: {name: slow, namespace: shop}
spec:
  backupHook:
    - name: slow
      includedNamespaces: [shop]
      preHooks:
        - exec:
            command: [sh, -c, 'while [ -e /tmp/slow ]; do touch /tmp/held; sleep 0.2; done']
            timeout: 100s
";
