"""One WhatsApp number: what its groups say is stored durably, understood later, and published."""
