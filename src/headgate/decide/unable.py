"""A request that one provider cannot be told, or that a stand-in refuses: as if that place were not there.

The provider that the client asked keeps its 400: the request is wrong, or nobody here can keep its meaning. A provider
that only stands in, or is one of several that a route names, has no say in whether the request is good.
"""

from typing import TYPE_CHECKING

from headgate.decide.journey import Journey, Plan
from headgate.domain.failure import Failure, FailureKind

if TYPE_CHECKING:
    from headgate.decide.gate import Gate


def passed_over(gate: "Gate", journey: Journey, plan: Plan, failure: Failure) -> bool:
    """Whether a failed call is no failure of the request; then all of the provider's places are out for it.

    What failed before decides what comes next. Where nothing did, the first candidates' own words are kept as
    `journey.unable`: they are the answer if nobody else can serve either.
    """
    if failure.kind is not FailureKind.BAD_REQUEST:
        return False
    request, provider = journey.request, plan.deployment.provider
    stands_in = plan.deployment.model in request.elsewhere
    is_one_of_many = any(gate.models[model].provider != provider for model in request.candidates)
    if not (stands_in or (is_one_of_many and not failure.written)):
        return False
    if not stands_in:
        journey.unable = failure
    for model in (*request.candidates, *request.elsewhere):
        if gate.models[model].provider == provider:
            here = (place.id for place in gate.pool.deployments(model, request.own_key))
            journey.excluded += tuple(name for name in here if name not in journey.excluded)
    return True
