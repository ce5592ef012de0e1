"""TensorFlow Serving's messages and tensors without tensorflow: what the gateway and the model server speak.

    from binocular.wire import messages, services, tensors

    request = messages.PredictRequest()
    request.model_spec.name = "waste"
    request.inputs["images"].CopyFrom(tensors.to_proto(images))
    came = channel.call(services.path("PredictionService", "Predict"), [request.SerializeToString()], timeout_s=10)
    answer = messages.PredictResponse.FromString(came)
    probabilities = tensors.to_array(answer.outputs["probabilities"])

The message types come from `descriptors.binpb`, a set of descriptors of TensorFlow and TensorFlow Serving,
copyright The TensorFlow Authors, Apache License 2.0 (see NOTICE beside it).
"""
