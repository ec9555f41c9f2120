"""The plan held against Erlang/OTP: the same scenarios on the real `supervisor` and on ours, step by step.

    written, generated ──> scenarios ──terms──> otp.escript (the real supervisor) ──> answers ─┐
                               └─────────────> machine (plays processes for the plan) ─────────┴─> compare ──> told

`python -m tests.otp N` runs all written and N generated scenarios. What both do is compared as it happens: every
start with its outcome, every end, their order, and after each step who is alive. At the first divergence
`differences` either recognises one that the package `supervisors.plan` documents, or it is undocumented: a bug.
"""
