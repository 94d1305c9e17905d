"""Which model a name means to Groq, and why it may not be asked. What kind it must be is each endpoint's own rule."""

from headgate.catalog import Catalog, Lifecycle, Model
from headgate.simulator import errors
from headgate.simulator.errors import Rejection
from headgate.simulator.settings import SimulatorSettings


def running(name: object, catalog: Catalog, settings: SimulatorSettings) -> Model | Rejection:
    """A model of Groq's that can be asked, of whatever kind."""
    if not isinstance(name, str) or not name:
        return errors.invalid("'model' : property 'model' is missing", "model")
    model = catalog.model(name)
    if model is None or model.id != name or model.provider != "groq" or model.lifecycle is Lifecycle.ENTERPRISE:
        return errors.model_not_found(name)
    if model.lifecycle is Lifecycle.RETIRED:
        gone = settings.retired_as == "model_decommissioned"
        return errors.model_decommissioned(name) if gone else errors.model_not_found(name)
    if name in settings.offer.terms_wanted:
        return errors.invalid(
            f"The model `{name}` requires terms acceptance. Please have the org admin accept the terms at "
            f"https://console.groq.com/playground?model={name}",
            code="model_terms_required",
        )
    return model
