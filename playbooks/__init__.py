"""What is done when: playbooks, planners, policies and catalogues. Empty until the harness can run them."""
