# Named commands; what is longer is a script under k8s/, .github/ or tests/template/. `make` alone lists them.
.POSIX:
KUBECONFIG = target/kind.kubeconfig
LOAD_IMAGE = kind load docker-image --name twofold

.PHONY: help image push cluster deploy e2e lint clean sam-build lambda-check sam-deploy smoke merge
help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1\t/p' Makefile | expand -t 21

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
