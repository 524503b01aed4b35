# Named commands; what is longer is a script under k8s/. `make` alone lists them.
.POSIX:
KUBECONFIG = target/kind.kubeconfig
LOAD_IMAGE = kind load docker-image --name twofold

.PHONY: help image push cluster deploy e2e lint clean
help: ## this list
	@sed -n 's/^\([a-z0-9]*\):.*## /  make \1\t/p' Makefile | expand -t 16

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

clean: ## delete the kind cluster, the images and what was staged
	-kind delete cluster --name twofold
	-docker image rm twofold:dev twofold:next
	rm -rf target/image target/e2e target/kind.kubeconfig
