"""The guards of the core, and each of them taken out: what the simulated worlds must notice. Data only.

A row is (name, file below src/headgate, exact old text, new text, number of the invariant that should catch it). When a
guard is rewritten its old text goes stale, which `bench.mutations` reports as an error: write the row anew then.
"""

from typing import Final, NamedTuple


class Mutation(NamedTuple):
    """One guard taken out."""

    name: str
    file: str
    old: str
    new: str
    caught_by: int


MUTATIONS: Final = (
    # Attempts, calls, deadlines, rows
    Mutation(
        "attempts limit of the remedies",
        "decide/remedying.py",
        "(S.ATTEMPTS_LEFT, lambda view: view.journey.attempts < view.journey.request.max_attempts),",
        "(S.ATTEMPTS_LEFT, lambda view: True),",
        12,
    ),
    Mutation(
        "calls limit of the remedies",
        "decide/remedying.py",
        "return self.journey.calls < self.journey.request.max_calls and self.time_left()",
        "return self.time_left()",
        12,
    ),
    Mutation(
        "attempts and calls limits of the second call after a cut",
        "decide/machine.py",
        "journey.least_cap_tokens or journey.attempts >= request.max_attempts or journey.calls >= request.max_calls:",
        "journey.least_cap_tokens:",
        12,
    ),
    Mutation(
        "deadline check of the remedies",
        "decide/remedying.py",
        "return self.now + self.gate.policy.least_call_s < self.journey.request.deadline_at",
        "return True",
        12,
    ),
    Mutation(
        "backoff that leaves time for a call",
        "decide/remedying.py",
        "min(until, view.journey.request.deadline_at - view.gate.policy.least_call_s)",
        "until",
        12,
    ),
    Mutation(
        "limit of a row",
        "decide/remedying.py",
        "return limit is None or self.journey.rows.count(self.failure.kind) < limit",
        "return True",
        12,
    ),
    Mutation(
        "a begun stream is never repeated",
        "decide/remedies.py",
        "F.STREAM_BROKE_LATE: Row((_R.CONTINUE_STREAM, _R.ERROR_EVENT), limit=0),",
        "F.STREAM_BROKE_LATE: Row(_NETWORK, limit=1),",
        15,
    ),
    Mutation(
        "the client's own maximum",
        "decide/routing.py",
        "return most if asked is None or asked > most else asked",
        "return most",
        12,
    ),
    Mutation(
        "tickets expire",
        "quota/room.py",
        "if first is not None and first.ticket.expires_at <= now:\n            self._remove(first)",
        "if False:\n            self._remove(first)",
        0,
    ),
    # Repeats, circuits, cooldowns, quarantine
    Mutation(
        "retry budget",
        "decide/circuit.py",
        "return repeats + 1 <= max(self.floor, int(self.share * calls))",
        "return True",
        13,
    ),
    Mutation(
        "retry budget when choosing a place",
        "decide/routing.py",
        "return name not in journey.called or gate.repeat_allowed(name, now)",
        "return True",
        13,
    ),
    Mutation(
        "retry budget of the remedies on the same deployment",
        "decide/remedying.py",
        "return self.gate.pool.is_up(deployment, self.now) and self.gate.repeat_allowed(deployment.id, self.now)",
        "return self.gate.pool.is_up(deployment, self.now)",
        13,
    ),
    Mutation(
        "retry budget after a wait",
        "decide/machine.py",
        "if name in journey.called and not gate.repeat_allowed(name, now):",
        "if False:",
        13,
    ),
    Mutation(
        "circuit opens",
        "decide/circuit.py",
        "return self.failed_in_a_row >= IN_A_ROW or (calls >= MIN_CALLS and failed >= FAILED_SHARE * calls)",
        "return False",
        37,
    ),
    Mutation(
        "half-open circuit lets one probe through",
        "decide/circuit.py",
        "return now >= self.open_until and (not self.probing or now - self.probing_since > PROBE_PATIENCE_S)",
        "return now >= self.open_until",
        37,
    ),
    Mutation(
        "a good probe closes the circuit",
        "decide/circuit.py",
        "            if was_probe:\n                self._close()\n",
        "",
        37,
    ),
    Mutation(
        "a probe that ends without a verdict frees its place",
        "decide/circuit.py",
        '        if was_probe:\n            self.probing = ""\n        if ok is None:',
        '        if was_probe and ok is not None:\n            self.probing = ""\n        if ok is None:',
        27,
    ),
    Mutation(
        "cooldown after a 429",
        "decide/settling.py",
        "return (a.Cool(deployment, until, announced=True, reason=failure.kind),)",
        "return ()",
        10,
    ),
    Mutation(
        "announced cooldown is kept to the second",
        "quota/cooldown.py",
        "return now + min(max(header, body), AGREED_CAP_S if agreed else LONE_CAP_S)",
        "return now + min(header, body, 1.0)",
        10,
    ),
    Mutation(
        "key removed after 401",
        "decide/settling.py",
        "return () if journey.request.own_key else (a.RemoveKey(call.key),)",
        "return ()",
        9,
    ),
    Mutation(
        "organisation out at its spend limit",
        "decide/settling.py",
        "return (a.Out(provider, organisation, now + policy.spend_probe_s, failure.kind),)",
        "return ()",
        9,
    ),
    Mutation(
        "provider out when access is denied",
        "decide/settling.py",
        "return (a.Out(provider, None, now + policy.denied_probe_s, failure.kind),)",
        "return ()",
        9,
    ),
    Mutation(
        "model that is gone is retired",
        "decide/settling.py",
        "return (a.Retire(provider, deployment.model, where, now + policy.retired_probe_s),)",
        "return ()",
        9,
    ),
    Mutation(
        "merge of a discovered organisation",
        "decide/gate.py",
        "        if into is not None:\n            self.ledger.merge(",
        "        if into is None:\n            self.ledger.merge(",
        10,
    ),
    Mutation(
        "a caller's own key is theirs alone",
        "decide/pool.py",
        'return f"own:{own_key}"',
        "return next(iter(self.keys), None)",
        9,
    ),
    Mutation(
        "a caller's own key has an organisation of its own",
        "decide/pool.py",
        "        if own_key is not None:\n            return (Deployment.of(",
        "        if own_key is None:\n            return (Deployment.of(",
        9,
    ),
    Mutation(
        "of two announcements the later holds",
        "quota/cooldown.py",
        "return new if new.until > held.until else held",
        "return new",
        10,
    ),
    Mutation(
        "what is out of use is not called",
        "decide/gate.py",
        "if self.pool.trouble and not self.pool.is_up(deployment, now):",
        "if False:",
        9,
    ),
    # Books
    Mutation(
        "unknown usage settles the whole reservation",
        "decide/settling.py",
        "    metered = first_s = None\n",
        "    metered, first_s = Usage(0, 0).metered(), None\n",
        4,
    ),
    Mutation(
        "a call that may have generated is booked whole",
        "decide/settling.py",
        "    return a.Settle(reservation, None)\n",
        "    return a.Release(reservation, keep_request=True)\n",
        4,
    ),
    Mutation(
        "a 400 that cannot be read proves nothing",
        "domain/failure.py",
        "return self.status not in {400, 422} or bool(self.message or self.code or self.type)",
        "return True",
        4,
    ),
    Mutation(
        "late failures are settled",
        "decide/machine.py",
        "    return settling.failed(gate, journey, call, event, now)\n",
        "    return ()\n",
        28,
    ),
    Mutation(
        "a client who leaves leaves a call behind",
        "decide/machine.py",
        "    if call is not None:\n        journey.phase = Phase.LEAVING\n",
        "",
        28,
    ),
    Mutation(
        "a client who leaves gives up the place in line",
        "decide/machine.py",
        "leaving = (a.Leave(journey.request.id),)",
        "leaving = ()",
        28,
    ),
    Mutation(
        "reservation names are never used twice",
        "decide/journey.py",
        'return f"{self.request.id}#{self.reservations}"',
        'return f"{self.request.id}#{self.calls + 1}"',
        2,
    ),
    Mutation(
        "overruns are recorded",
        "quota/ledger.py",
        "        meter.overrun_tokens += overrun\n",
        "",
        5,
    ),
    Mutation(
        "the invoice sums all calls",
        "decide/settling.py",
        "journey.cost_nanousd += gate.models[deployment.model].cost_nanousd(usage)",
        "journey.cost_nanousd = gate.models[deployment.model].cost_nanousd(usage)",
        3,
    ),
    # Quota
    Mutation(
        "a reservation is in the buckets",
        "quota/ledger.py",
        "            bucket.level = level\n",
        "            pass\n",
        1,
    ),
    Mutation(
        "all dimensions must fit",
        "quota/ledger.py",
        "if needed and bucket.level + needed > bucket.limit + SLACK:",
        "if needed > bucket.limit:",
        1,
    ),
    Mutation(
        "the prompt is reserved too",
        "decide/journey.py",
        "return self.fixed or Amounts(self.prompt_tokens, self.cap_tokens)",
        "return self.fixed or Amounts(0, self.cap_tokens)",
        5,
    ),
    Mutation(
        "upward correction by headers",
        "quota/correction.py",
        "spent = least if least > bucket.lifted else bucket.lifted",
        "spent = 0.0",
        8,
    ),
    Mutation(
        "correction by error bodies",
        "quota/headers.py",
        "    watch.apply(bucket, surprise, now)\n",
        "",
        8,
    ),
    Mutation(
        "what headers took away is not given back again",
        "quota/ledger.py",
        "                back -= min(back, meter.tokens.lowered - reservation.tokens_lowered)\n",
        "                pass\n",
        8,
    ),
    Mutation(
        "downward corrections in traffic wait for agreement",
        "quota/correction.py",
        "if not quiet and self.low_count < AGREEING_REPLIES:",
        "if False:",
        8,
    ),
    Mutation(
        "newcomers do not pass those who wait",
        "decide/machine.py",
        "if not room.waiting() or not room.must_queue(routing.options(gate, journey, now), priority):",
        "if True:",
        24,
    ),
    # Labels
    Mutation(
        "a smaller maximum is labelled",
        "decide/journey.py",
        'return f"{asked}->{self.cap_tokens}" if self.cap_tokens < asked else None',
        "return None",
        18,
    ),
    Mutation(
        "a local answer is labelled",
        "decide/machine.py",
        "end = a.Finish(a.Ending.LOCAL, Source.LOCAL, journey.reason)",
        "end = a.Finish(a.Ending.LOCAL, Source.UPSTREAM, journey.reason)",
        18,
    ),
    Mutation(
        "the answer names the model that served",
        "decide/giving_up.py",
        'served.model if served is not None else "headgate/local"',
        'request.model_asked if served is not None else "headgate/local"',
        18,
    ),
    Mutation(
        "a trimmed prompt is labelled",
        "decide/journey.py",
        "if not self.trim_to:\n            return cap",
        "if True:\n            return cap",
        42,
    ),
    Mutation(
        "words are left out only where it is allowed",
        "decide/trimming.py",
        "if not request.trims_to:\n        return None",
        "if False:\n        return None",
        42,
    ),
    # What was asked for
    Mutation(
        "an answer is checked",
        "runtime/errand.py",
        'return check(self.chat, body) if self._handling.remedies else ""',
        'return ""',
        41,
    ),
    Mutation(
        "a streamed answer is watched",
        "runtime/json_stream.py",
        "self.problem = self._problem_with(block)",
        'self.problem = ""',
        41,
    ),
    Mutation(
        "an extracted answer is flagged",
        "decide/machine.py",
        "return answer(journey, call, mend.how.value, now)",
        "return answer(journey, call, a.Mending.TEXT.value, now)",
        41,
    ),
)
