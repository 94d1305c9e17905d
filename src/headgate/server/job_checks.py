"""Refuses a job that could only fail, while somebody listens: an unknown skill, model or control, a wrong schema."""

import msgspec

from headgate.batch.local_skill import check_skill
from headgate.protocol.chat import InvalidBody, parse_chat
from headgate.protocol.jobs import ExtractSpec, LocalSpec, Spec, extract_body
from headgate.server.auth import Identity
from headgate.server.control_list import BODY_FIELD
from headgate.server.controls import InvalidControl, read_controls
from headgate.server.gateway import Gateway


def check_job(gateway: Gateway, spec: Spec, tenant: str) -> None:
    """Raises InvalidBody for a job of this tenant that cannot be done."""
    if isinstance(spec, LocalSpec):
        check_skill(spec)
        return
    body = extract_body(spec, "x") if isinstance(spec, ExtractSpec) else spec.body
    try:
        controls = read_controls((), body.get(BODY_FIELD), Identity(tenant=tenant))
    except InvalidControl as problem:
        raise InvalidBody(problem.message, problem.refusal.param) from None
    refusal = gateway.intake.problem(parse_chat(msgspec.json.encode(body)), controls, tenant)
    if refusal is not None:
        raise InvalidBody(f"The job cannot be done: {refusal.message}", refusal.param)
