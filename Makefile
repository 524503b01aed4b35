# Named commands; what is longer is a script under k8s/, .github/ or tests/template/. `make` alone lists them.
.POSIX:
KUBECONFIG = target/kind.kubeconfig
LOAD_IMAGE = kind load docker-image --name twofold

.PHONY: help server-check registry-check zoo-check image push cluster deploy e2e lint clean sam-build lambda-check sam-deploy smoke merge
help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1\t/p' Makefile | expand -t 21

server-check: ## stock clients, connections of all kinds, and models that come and go, against the release server
	cargo build --locked --release --bins
	tests/clients/run
	tests/connections/run
	cargo test --locked --release --test churn -- --ignored --nocapture

registry-check: ## packages from registries that do all that registries do, by the release binaries; as root, or by sudo
	tests/registry/run

zoo-check: ## compare the tabular engine with ONNX Runtime on every model of the zoo
	python3 -m venv target/python
	target/python/bin/pip install --quiet --disable-pip-version-check --requirement models/zoo/requirements.txt
	PYTHON=target/python/bin/python models/zoo/compare

image: ## build the container's image, twofold:dev
	k8s/image

push: ## REGISTRY=ghcr.io/OWNER: push it; prints its tags and digest
	@k8s/push "$(REGISTRY)"

cluster: ## make a kind cluster, its kubeconfig in target/kind.kubeconfig
	KUBECONFIG=$(KUBECONFIG) k8s/cluster

deploy: ## bring the image to that cluster and deploy it, at http://localhost:8080
	$(LOAD_IMAGE) twofold:dev
	KUBECONFIG=$(KUBECONFIG) kubectl apply -k k8s/overlays/kind
	KUBECONFIG=$(KUBECONFIG) kubectl --namespace twofold rollout status deployment/twofold --timeout=120s

e2e: ## deploy, change and break it under load on that cluster; count failed requests
	KUBECONFIG=$(KUBECONFIG) LOAD_IMAGE="$(LOAD_IMAGE)" k8s/e2e/run

lint: ## check Dockerfile, scripts and manifests
	k8s/lint

sam-build: ## build the function for Lambda
	sam build

lambda-check: ## prove all of the template, the function and the workflows that needs no account
	tests/template/run

sam-deploy: ## STAGE=staging RELEASE=WORD [BUCKET= ROLE=]: deploy the function
	.github/deploy "$(STAGE)" "$(RELEASE)" "$(BUCKET)" "$(ROLE)"

smoke: ## STAGE=staging: ask what was deployed, by a signed request
	.github/smoke "twofold-$(STAGE)"

merge: ## IMAGE= TAG= DIGESTS=FOLDER: one image of architectures that were pushed by digest
	.github/merge "$(IMAGE)" "$(TAG)" "$(DIGESTS)"

clean: ## delete the kind cluster, the images and what was staged
	-kind delete cluster --name twofold
	-docker image rm twofold:dev twofold:next
	rm -rf target/image target/e2e target/kind.kubeconfig
